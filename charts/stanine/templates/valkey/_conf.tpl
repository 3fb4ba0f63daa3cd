{{/* The directives of the server's configuration file, as a map. A RedisConfig's `server` overrides them at run time. */}}
{{- define "stanine.valkey.settings" -}}
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
{{- $made := dict }}
{{- range $name, $value := mergeOverwrite $lines (deepCopy (.Values.valkey.config | default dict)) }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $made $name (include "stanine.text" $value) }}{{ end }}
{{- end }}
{{- toYaml $made }}
{{- end -}}
{{- define "stanine.valkey.conf" -}}
{{- range $name, $value := include "stanine.valkey.settings" . | fromYaml }}
{{ $name }} {{ $value }}
{{- end }}
{{- end -}}
