{{/*
A size as a number of bytes, 0 if it is written in a way that this does not know. Redis' units (640mb) and those of Kubernetes (1Gi) have no
word in common that means two things, but for small m and k, which Kubernetes hardly uses here.
*/}}
{{- define "stanine.bytes" -}}
{{- $text := include "stanine.text" . -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $units := dict "" 1 "k" 1e3 "m" 1e6 "g" 1e9 "kb" 1024 "mb" 1048576 "gb" 1073741824 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "M" 1e6 "G" 1e9 "T" 1e12 -}}
{{- $unit := trimPrefix $number $text -}}
{{- if hasKey $units $unit }}{{ mulf (float64 $number) (get $units $unit) | int64 }}{{ else }}0{{ end -}}
{{- end -}}
