{{/* Names and labels. A component is api, pages, index-watcher, result-watcher, operator or valkey; its values have the camel-case name. */}}

{{/* At most 45 characters: a StatefulSet's pods have its name (…-valkey) and 11 more in a label of 63; …-valkey-headless is a DNS name. */}}
{{- define "stanine.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $whole | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of a component's objects. (dict "root" . "component" "api") */}}
{{- define "stanine.componentName" -}}
{{ include "stanine.fullname" .root }}-{{ .component }}
{{- end -}}

{{/*
Name of a cluster-scoped object, unique to the release: namespace and release are separated by characters that neither can contain.
(dict "root" . "component" "operator")
*/}}
{{- define "stanine.clusterName" -}}
{{ .root.Release.Namespace }}:{{ include "stanine.fullname" .root }}-{{ .component }}
{{- end -}}

{{/* Selector labels of pods; immutable. (dict "root" . "component" "api") */}}
{{- define "stanine.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object; its `labels` override commonLabels. (dict "root" . "component" "api" "labels" (dict …)) */}}
{{- define "stanine.labels" -}}
{{- $chart := dict "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- $_ := set $chart "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $chart "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- merge (include "stanine.podLabels" . | fromYaml) $chart | toYaml -}}
{{- end -}}

{{/* Labels of a pod: none that depend on the chart's version, since a change would restart Valkey. */}}
{{- define "stanine.podLabels" -}}
{{- $own := include "stanine.selectorLabels" . | fromYaml -}}
{{- merge $own (.labels | default dict) (.root.Values.commonLabels | default dict) (dict "app.kubernetes.io/part-of" "stanine") | toYaml -}}
{{- end -}}

{{/* The image of Stanine's processes. */}}
{{- define "stanine.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* The image of the bundled server. */}}
{{- define "stanine.valkey.image" -}}
{{- with .Values.valkey.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end -}}
{{- end -}}

{{/* The service account of a component. (dict "root" . "component" "api" "values" .Values.api) */}}
{{- define "stanine.serviceAccountName" -}}
{{- .values.serviceAccount.name | default (ternary "default" (include "stanine.componentName" .) (not .values.serviceAccount.create)) -}}
{{- end -}}
