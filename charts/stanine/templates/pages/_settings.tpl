{{/* The base path of the pages, without a slash at its end. */}}
{{- define "stanine.pages.base" -}}
{{- trimSuffix "/" .Values.pages.basePath -}}
{{- end -}}

{{/* What is known about who asks, as JSON; empty if nothing is. */}}
{{- define "stanine.pages.organisation" -}}
{{- $known := dict -}}
{{- range $name, $value := .Values.pages.organisation }}{{ if $value }}{{ $_ := set $known $name $value }}{{ end }}{{ end -}}
{{- if $known }}{{ $known | toPrettyJson }}{{ end -}}
{{- end -}}
