{{/* Names and labels. A component is api, index-watcher, result-watcher, operator or valkey; its values are under the camel-case name. */}}

{{/* At most 45 characters: a StatefulSet's pods bear its name (…-valkey) and 11 more in a label of 63, and …-valkey-headless is a name of DNS. */}}
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
Name of an object that belongs to no namespace: no two releases may share it, so namespace and release are told apart by what neither can have.
(dict "root" . "component" "operator")
*/}}
{{- define "stanine.clusterName" -}}
{{ .root.Release.Namespace }}:{{ include "stanine.fullname" .root }}-{{ .component }}
{{- end -}}

{{/* Labels by which pods are selected; they never change. (dict "root" . "component" "api") */}}
{{- define "stanine.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object; `labels` are its own, over commonLabels. (dict "root" . "component" "api" "labels" (dict …)) */}}
{{- define "stanine.labels" -}}
{{- $chart := dict "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- $_ := set $chart "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $chart "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- merge (include "stanine.podLabels" . | fromYaml) $chart | toYaml -}}
{{- end -}}

{{/* Labels of a pod: nothing that a new version of the chart changes by itself, which would start Valkey anew. */}}
{{- define "stanine.podLabels" -}}
{{- $own := include "stanine.selectorLabels" . | fromYaml -}}
{{- merge $own (.labels | default dict) (.root.Values.commonLabels | default dict) (dict "app.kubernetes.io/part-of" "stanine") | toYaml -}}
{{- end -}}

{{/* The image of Stanine's own processes. */}}
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
