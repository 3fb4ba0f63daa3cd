{{/* Names and labels. A component is api, index-watcher, result-watcher, operator or valkey; its values are under the camel-case name. */}}

{{- define "stanine.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains (default .Chart.Name .Values.nameOverride) .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of a component's objects. (dict "root" . "component" "api") */}}
{{- define "stanine.componentName" -}}
{{ include "stanine.fullname" .root }}-{{ .component }}
{{- end -}}

{{/* Name of an object that belongs to no namespace: no two releases may share it. (dict "root" . "component" "operator") */}}
{{- define "stanine.clusterName" -}}
{{ .root.Release.Namespace }}-{{ include "stanine.fullname" .root }}-{{ .component }}
{{- end -}}

{{/* Labels by which pods are selected; they never change. (dict "root" . "component" "api") */}}
{{- define "stanine.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object. (dict "root" . "component" "api") */}}
{{- define "stanine.labels" -}}
{{ include "stanine.selectorLabels" . }}
app.kubernetes.io/part-of: stanine
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image of Stanine's own processes. */}}
{{- define "stanine.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* The service account of a component. (dict "root" . "component" "api" "values" .Values.api) */}}
{{- define "stanine.serviceAccountName" -}}
{{- .values.serviceAccount.name | default (include "stanine.componentName" .) -}}
{{- end -}}
