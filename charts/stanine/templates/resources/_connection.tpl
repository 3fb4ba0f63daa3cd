{{/* The connection of a RedisConfig: address of Redis and credentials of the operator. */}}
{{- define "stanine.redis.connection" -}}
{{- $context := dict "root" . "component" "operator" -}}
{{- $external := .Values.externalRedis -}}
{{- if and (not .Values.valkey.enabled) $external.sentinel.enabled -}}
sentinel:
  masterName: {{ $external.sentinel.masterName | quote }}
  nodes:
    {{- toYaml $external.sentinel.nodes | nindent 4 }}
  {{- with $external.sentinel.existingSecret }}
  {{- with $external.sentinel.usernameKey }}
  usernameSecretRef: {name: {{ $external.sentinel.existingSecret | quote }}, key: {{ . | quote }}}
  {{- end }}
  passwordSecretRef: {name: {{ . | quote }}, key: {{ $external.sentinel.passwordKey | quote }}}
  {{- end }}
{{- else -}}
{{- /* with its namespace: an operator for the whole cluster runs in another */}}
host: {{ printf "%s%s" (include "stanine.redis.host" .) (ternary (printf ".%s.svc" .Release.Namespace) "" .Values.valkey.enabled) | quote }}
port: {{ include "stanine.redis.port" . }}
{{- end }}
{{- if and (not .Values.valkey.enabled) $external.db }}
db: {{ $external.db }}
{{- end }}
{{- with include "stanine.redis.secretName" . }}
{{- with include "stanine.redis.usernameKey" $context }}
usernameSecretRef: {name: {{ include "stanine.redis.secretName" $ | quote }}, key: {{ . | quote }}}
{{- end }}
passwordSecretRef: {name: {{ . | quote }}, key: {{ include "stanine.redis.passwordKey" $context | quote }}}
{{- end }}
{{- if and (not .Values.valkey.enabled) $external.tls.enabled }}
tls:
  {{- if and $external.tls.existingSecret (or $external.tls.caKey $external.tls.certificateKey) }}
  {{- with $external.tls.caKey }}
  caSecretRef: {name: {{ $external.tls.existingSecret | quote }}, key: {{ . | quote }}}
  {{- end }}
  {{- with $external.tls.certificateKey }}
  certificateSecretRef: {name: {{ $external.tls.existingSecret | quote }}, key: {{ . | quote }}}
  privateKeySecretRef: {name: {{ $external.tls.existingSecret | quote }}, key: {{ $external.tls.privateKeyKey | quote }}}
  {{- end }}
  {{- else }} {}
  {{- end }}
{{- end }}
{{- end -}}
