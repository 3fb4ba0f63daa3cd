{{/* The server's configuration file. What a RedisConfig's `server` sets is changed while it runs, over this. */}}
{{- define "stanine.valkey.conf" -}}
{{- $lines := dict
  "bind" "* -::*"
  "port" "6379"
  "protected-mode" "yes"
  "dir" "/data"
  "aclfile" "/etc/valkey/acl/users.acl"
  "save" "\"\""
  "appendonly" "yes"
  "appendfsync" .Values.valkey.appendfsync
  "maxmemory" .Values.valkey.maxMemory
  "maxmemory-policy" "noeviction"
  "hash-max-listpack-entries" "512"
  "hash-max-listpack-value" "1024"
  "tcp-keepalive" "60"
-}}
{{- range $name, $value := mergeOverwrite $lines (deepCopy (.Values.valkey.config | default dict)) }}
{{- if not (kindIs "invalid" $value) }}
{{ $name }} {{ include "stanine.text" $value }}
{{- end }}
{{- end }}
{{- end -}}
