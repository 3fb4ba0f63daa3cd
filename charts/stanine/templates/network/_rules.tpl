{{/* Rules of several policies, as lists. */}}

{{/* Pods of a component. (dict "root" . "component" "valkey") */}}
{{- define "stanine.network.pods" -}}
- podSelector:
    matchLabels:
      {{- include "stanine.selectorLabels" . | nindent 6 }}
{{- end -}}

{{/* To DNS. */}}
{{- define "stanine.network.toDns" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* To Redis. */}}
{{- define "stanine.network.toRedis" -}}
{{- if .Values.valkey.enabled -}}
- ports: [{port: 6379, protocol: TCP}]
  to:
    {{- include "stanine.network.pods" (dict "root" . "component" "valkey") | nindent 4 }}
{{- else -}}
{{- $ports := list -}}
{{- if .Values.externalRedis.sentinel.enabled -}}
{{- range .Values.externalRedis.sentinel.nodes }}{{ $ports = append $ports (.port | default 26379 | int) }}{{ end -}}
{{- end -}}
{{- $ports = append $ports (int .Values.externalRedis.port) -}}
- ports:
    {{- range uniq $ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.redisTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* To the trace receiver. */}}
{{- define "stanine.network.toOtel" -}}
{{- if .Values.otel.enabled -}}
{{- $url := .Values.otel.endpoint -}}
{{- $given := regexFind ":[0-9]+(/|$)" $url | trimPrefix ":" | trimSuffix "/" -}}
- ports: [{port: {{ .Values.networkPolicy.otelPort | default ($given | default (hasPrefix "https:" $url | ternary 443 80)) }}, protocol: TCP}]
  {{- with .Values.networkPolicy.otelTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* To the Kubernetes API, which cannot be selected as a pod. */}}
{{- define "stanine.network.toKubernetes" -}}
- ports:
    {{- range .Values.networkPolicy.kubernetesApiPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.kubernetesApiTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Metadata and selector of a policy. (dict "root" . "component" "api") */}}
{{- define "stanine.network.head" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "stanine.componentName" . }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "stanine.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "stanine.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}
