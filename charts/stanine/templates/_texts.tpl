{{/*
Texts given as numbers: `--set valkey.image.tag=9` and a values file's `tag: 9` are numbers where Kubernetes requires a text. Every template
includes this first, so that all of them get texts. files/texts.yaml lists the values that are texts; it is generated with the
schema (`python -m charts.values_model`).
*/}}
{{- define "stanine.texts" -}}
{{- if not (hasKey .Values "areTexts") -}}
{{- $_ := include "stanine.texts.within" (dict "in" .Values "shape" (.Files.Get "files/texts.yaml" | fromYaml)) -}}
{{- $_ = set .Values "areTexts" true -}}
{{- end -}}
{{- end -}}

{{/*
Converts numbers to texts in a map, in place. `shape` states the type of each name (`*`: every name): `text`, a shape, or a list with the
shape of its items.
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
