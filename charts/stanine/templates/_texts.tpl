{{/*
Texts that were given as numbers: `--set valkey.image.tag=9` and a values file's `tag: 9` make a number, where Kubernetes wants a text. Every template
begins with this, so that all of them see texts. files/texts.yaml says which values are texts; it is made with the schema
(`python -m charts.values_model`).
*/}}
{{- define "stanine.texts" -}}
{{- if not (hasKey .Values "areTexts") -}}
{{- $_ := include "stanine.texts.within" (dict "in" .Values "shape" (.Files.Get "files/texts.yaml" | fromYaml)) -}}
{{- $_ = set .Values "areTexts" true -}}
{{- end -}}
{{- end -}}

{{/*
Turns numbers into texts, within a map and in place. `shape` says of each name (`*`: of every name) what is there: `text`, a shape, or a list with
the shape of its items.
*/}}
{{- define "stanine.texts.within" -}}
{{- $numbers := list "int" "int64" "float64" "bool" -}}
{{- $in := .in -}}
{{- range $name, $shape := .shape -}}
{{- range $key := eq $name "*" | ternary (keys $in) (list $name) -}}
{{- $value := get $in $key -}}
{{- if kindIs "string" $shape -}}
{{- if has (kindOf $value) $numbers }}{{ $_ := set $in $key (include "stanine.text" $value) }}{{ end -}}
{{- else if and (kindIs "map" $shape) (kindIs "map" $value) -}}
{{- $_ := include "stanine.texts.within" (dict "in" $value "shape" $shape) -}}
{{- else if and (kindIs "slice" $shape) (kindIs "slice" $value) -}}
{{- $items := list -}}
{{- range $value -}}
{{- $item := dict "item" . -}}
{{- $_ := include "stanine.texts.within" (dict "in" $item "shape" (dict "item" (first $shape))) -}}
{{- $items = append $items $item.item -}}
{{- end -}}
{{- $_ := set $in $key $items -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
