{{/*
A size in bytes; 0 for an unknown notation. Units of Redis (640mb) and Kubernetes (1Gi) do not conflict, except lower-case m and k, which
Kubernetes hardly uses for sizes.
*/}}
{{- define "stanine.bytes" -}}
{{- $text := include "stanine.text" . -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $units := dict "" 1 "k" 1e3 "m" 1e6 "g" 1e9 "kb" 1024 "mb" 1048576 "gb" 1073741824 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "M" 1e6 "G" 1e9 "T" 1e12 -}}
{{- $unit := trimPrefix $number $text -}}
{{- if hasKey $units $unit }}{{ mulf (float64 $number) (get $units $unit) | int64 }}{{ else }}0{{ end -}}
{{- end -}}
