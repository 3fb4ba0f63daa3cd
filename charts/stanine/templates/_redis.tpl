{{/* Address of Redis and credentials of each component. */}}

{{- define "stanine.redis.host" -}}
{{- if .Values.valkey.enabled }}{{ include "stanine.fullname" . }}-valkey{{ else }}{{ .Values.externalRedis.host }}{{ end -}}
{{- end -}}

{{- define "stanine.redis.port" -}}
{{- if .Values.valkey.enabled }}6379{{ else }}{{ .Values.externalRedis.port }}{{ end -}}
{{- end -}}

{{/* Mount path of the TLS files of an external Redis. */}}
{{- define "stanine.redis.tlsPath" -}}/etc/stanine/redis-tls{{- end -}}

{{/* The address without credentials, which have separate variables. */}}
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

{{/* The Secret of the passwords; empty without passwords. */}}
{{- define "stanine.redis.secretName" -}}
{{- if .Values.valkey.enabled -}}
{{- .Values.valkey.auth.existingSecret | default (printf "%s-redis" (include "stanine.fullname" .)) -}}
{{- else -}}
{{- .Values.externalRedis.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* The Redis users: one for each process, one for the command line, one for backups, and one for KEDA. */}}
{{- define "stanine.redis.users" -}}
api index-watcher result-watcher operator cli backup keda
{{- end -}}

{{/* Keys in that Secret for a user. (dict "root" . "component" "api") */}}
{{- define "stanine.redis.passwordKey" -}}
{{- if or .root.Values.valkey.enabled .root.Values.externalRedis.userPerService }}{{ .component }}-password{{ else }}{{ .root.Values.externalRedis.passwordKey }}{{ end -}}
{{- end -}}
{{- define "stanine.redis.usernameKey" -}}
{{- if or .root.Values.valkey.enabled .root.Values.externalRedis.userPerService }}{{ .component }}-username{{ else }}{{ .root.Values.externalRedis.usernameKey }}{{ end -}}
{{- end -}}

{{/* Mount paths of a component's user name and password, and the sentinels'. Files follow their Secret without a restart. */}}
{{- define "stanine.redis.loginPath" -}}/etc/stanine/redis-login{{- end -}}

{{/* Whether the sentinels have a separate Secret. */}}
{{- define "stanine.redis.sentinelSecret" -}}
{{- if and (not .Values.valkey.enabled) .Values.externalRedis.sentinel.enabled }}{{ .Values.externalRedis.sentinel.existingSecret }}{{ end -}}
{{- end -}}

{{/* The environment variables for a component's connection to Redis. (dict "root" . "component" "api") */}}
{{- define "stanine.redis.env" -}}
{{- $path := include "stanine.redis.loginPath" .root -}}
STANINE_REDIS_URL: {{ include "stanine.redis.url" .root | quote }}
STANINE_NAMESPACE: {{ .root.Values.keyNamespace | quote }}
{{- if include "stanine.redis.secretName" .root }}
{{- if include "stanine.redis.usernameKey" . }}
STANINE_REDIS_USERNAME_FILE: {{ $path }}/username
{{- end }}
STANINE_REDIS_PASSWORD_FILE: {{ $path }}/password
{{- end }}
{{- if include "stanine.redis.sentinelSecret" .root }}
{{- if .root.Values.externalRedis.sentinel.usernameKey }}
STANINE_SENTINEL_USERNAME_FILE: {{ $path }}/sentinel-username
{{- end }}
STANINE_SENTINEL_PASSWORD_FILE: {{ $path }}/sentinel-password
{{- end }}
{{- end -}}

{{/* Configured keys of the Secret with TLS files; each is also a file name. */}}
{{- define "stanine.redis.tlsKeys" -}}
{{- if and (not .Values.valkey.enabled) .Values.externalRedis.tls.enabled .Values.externalRedis.tls.existingSecret -}}
{{- with .Values.externalRedis.tls }}{{ join " " (compact (list .caKey .certificateKey .privateKeyKey)) }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Mounts of a component's credentials. (dict "root" . "component" "api") */}}
{{- define "stanine.redis.mounts" -}}
{{- if or (include "stanine.redis.secretName" .root) (include "stanine.redis.sentinelSecret" .root) }}
- {name: redis-login, mountPath: {{ include "stanine.redis.loginPath" .root }}, readOnly: true}
{{- end }}
{{- if include "stanine.redis.tlsKeys" .root }}
- {name: redis-tls, mountPath: {{ include "stanine.redis.tlsPath" .root }}, readOnly: true}
{{- end }}
{{- end -}}
{{- define "stanine.redis.volumes" -}}
{{- $secret := include "stanine.redis.secretName" .root -}}
{{- $sentinels := include "stanine.redis.sentinelSecret" .root -}}
{{- if or $secret $sentinels }}
- name: redis-login
  projected:
    sources:
      {{- with $secret }}
      - secret:
          name: {{ . | quote }}
          items:
            {{- with include "stanine.redis.usernameKey" $ }}
            - {key: {{ . | quote }}, path: username}
            {{- end }}
            - {key: {{ include "stanine.redis.passwordKey" $ | quote }}, path: password}
      {{- end }}
      {{- with $sentinels }}
      - secret:
          name: {{ . | quote }}
          items:
            {{- with $.root.Values.externalRedis.sentinel.usernameKey }}
            - {key: {{ . | quote }}, path: sentinel-username}
            {{- end }}
            - {key: {{ $.root.Values.externalRedis.sentinel.passwordKey | quote }}, path: sentinel-password}
      {{- end }}
{{- end }}
{{- with include "stanine.redis.tlsKeys" .root }}
- name: redis-tls
  secret:
    secretName: {{ $.root.Values.externalRedis.tls.existingSecret | quote }}
    items:
      {{- range splitList " " . }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end }}
{{- end -}}

{{/* Hash of a service's environment, which changes only by a restart. Passwords are excluded: they are files. */}}
{{- define "stanine.redis.checksum" -}}
{{ include "stanine.redis.url" . | sha256sum | trunc 16 }}
{{- end -}}
