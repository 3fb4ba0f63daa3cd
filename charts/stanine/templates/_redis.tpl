{{/* Where Redis is, and as whom each component logs in. */}}

{{- define "stanine.redis.host" -}}
{{- if .Values.valkey.enabled }}{{ include "stanine.fullname" . }}-valkey{{ else }}{{ .Values.externalRedis.host }}{{ end -}}
{{- end -}}

{{- define "stanine.redis.port" -}}
{{- if .Values.valkey.enabled }}6379{{ else }}{{ .Values.externalRedis.port }}{{ end -}}
{{- end -}}

{{/* Where TLS files of an external Redis are mounted. */}}
{{- define "stanine.redis.tlsPath" -}}/etc/stanine/redis-tls{{- end -}}

{{/* The address, without credentials: those come in variables of their own. */}}
{{- define "stanine.redis.url" -}}
{{- if .Values.valkey.enabled -}}
redis://{{ include "stanine.redis.host" . }}:6379/0
{{- else -}}
{{- with .Values.externalRedis -}}
{{- $scheme := ternary "rediss" "redis" .tls.enabled -}}
{{- $options := list -}}
{{- if .tls.enabled -}}
{{- $path := include "stanine.redis.tlsPath" $ -}}
{{- if .tls.caKey }}{{ $options = append $options (printf "ssl_ca_certs=%s/%s" $path .tls.caKey) }}{{ end -}}
{{- if .tls.certificateKey }}{{ $options = append $options (printf "ssl_certfile=%s/%s" $path .tls.certificateKey) }}{{ end -}}
{{- if .tls.privateKeyKey }}{{ $options = append $options (printf "ssl_keyfile=%s/%s" $path .tls.privateKeyKey) }}{{ end -}}
{{- end -}}
{{- if .sentinel.enabled -}}
{{- $nodes := list -}}
{{- range .sentinel.nodes }}{{ $nodes = append $nodes (printf "%s:%v" .host (.port | default 26379)) }}{{ end -}}
{{ $scheme }}+sentinel://{{ join "," $nodes }}/{{ .sentinel.masterName }}/{{ .db }}
{{- else -}}
{{ $scheme }}://{{ .host }}:{{ .port }}/{{ .db }}
{{- end -}}
{{- with $options }}?{{ join "&" . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Secret that holds the passwords; empty if there are none. */}}
{{- define "stanine.redis.secretName" -}}
{{- if .Values.valkey.enabled -}}
{{- .Values.valkey.auth.existingSecret | default (printf "%s-redis" (include "stanine.fullname" .)) -}}
{{- else -}}
{{- .Values.externalRedis.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* The users of Redis: one for each process, one for a person, and one for KEDA. */}}
{{- define "stanine.redis.users" -}}
api index-watcher result-watcher operator cli keda
{{- end -}}

{{/* Keys in that Secret for a user. (dict "root" . "component" "api") */}}
{{- define "stanine.redis.passwordKey" -}}
{{- if or .root.Values.valkey.enabled .root.Values.externalRedis.userPerService }}{{ .component }}-password{{ else }}{{ .root.Values.externalRedis.passwordKey }}{{ end -}}
{{- end -}}
{{- define "stanine.redis.usernameKey" -}}
{{- if or .root.Values.valkey.enabled .root.Values.externalRedis.userPerService }}{{ .component }}-username{{ else }}{{ .root.Values.externalRedis.usernameKey }}{{ end -}}
{{- end -}}

{{/* The environment that leads a component to Redis. (dict "root" . "component" "api") */}}
{{- define "stanine.redis.env" -}}
STANINE_REDIS_URL: {{ include "stanine.redis.url" .root | quote }}
STANINE_NAMESPACE: {{ .root.Values.keyNamespace | quote }}
{{- with include "stanine.redis.secretName" .root }}
{{- with include "stanine.redis.usernameKey" $ }}
STANINE_REDIS_USERNAME: {valueFrom: {secretKeyRef: {name: {{ include "stanine.redis.secretName" $.root }}, key: {{ . | quote }}}}}
{{- end }}
STANINE_REDIS_PASSWORD: {valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ include "stanine.redis.passwordKey" $ | quote }}}}}
{{- end }}
{{- if not .root.Values.valkey.enabled }}
{{- with .root.Values.externalRedis.sentinel }}
{{- if and .enabled .existingSecret }}
{{- if .usernameKey }}
STANINE_SENTINEL_USERNAME: {valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .usernameKey | quote }}}}}
{{- end }}
STANINE_SENTINEL_PASSWORD: {valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .passwordKey | quote }}}}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "stanine.redis.usesTlsFiles" -}}
{{- if and (not .Values.valkey.enabled) .Values.externalRedis.tls.enabled .Values.externalRedis.tls.existingSecret }}true{{ end -}}
{{- end -}}
{{- define "stanine.redis.mounts" -}}
{{- if include "stanine.redis.usesTlsFiles" . }}
- {name: redis-tls, mountPath: {{ include "stanine.redis.tlsPath" . }}, readOnly: true}
{{- end }}
{{- end -}}
{{- define "stanine.redis.volumes" -}}
{{- if include "stanine.redis.usesTlsFiles" . }}
- name: redis-tls
  secret: {secretName: {{ .Values.externalRedis.tls.existingSecret }}}
{{- end }}
{{- end -}}

{{/* Environment of a service changes only by a restart: a hash of what it is made from. Passwords that exist already are not seen here. */}}
{{- define "stanine.redis.checksum" -}}
{{ include "stanine.redis.url" . | sha256sum | trunc 16 }}
{{- end -}}
