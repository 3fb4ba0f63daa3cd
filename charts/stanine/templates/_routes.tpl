{{/*
External access to a component: Gateway API or Ingress, one or none. Used by api/routes.yaml and pages/routes.yaml.
(dict "root" . "component" "api" "values" .Values.api "paths" (dict "/v1" "Prefix" "/openapi.json" "Exact"))
*/}}
{{- define "stanine.routes" -}}
{{- $name := include "stanine.componentName" . -}}
{{- $paths := .paths -}}
{{- with .values.httpRoute }}
{{- if .enabled }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ $name }}
  namespace: {{ $.root.Release.Namespace | quote }}
  labels:
    {{- include "stanine.labels" $ | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml .parentRefs | nindent 4 }}
  {{- with .hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - matches:
        {{- range $path, $type := $paths }}
        - path: {type: {{ eq $type "Prefix" | ternary "PathPrefix" $type }}, value: {{ $path | quote }}}
        {{- end }}
      backendRefs:
        - {name: {{ $name }}, port: {{ $.values.service.port }}}
      {{- with .timeouts }}
      timeouts:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
{{- end }}
{{- with .values.ingress }}
{{- if .enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  namespace: {{ $.root.Release.Namespace | quote }}
  labels:
    {{- include "stanine.labels" $ | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with .tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range .hosts | default (list "") }}
    - {{ with . }}host: {{ . | quote }}
      {{ end }}http:
        paths:
          {{- range $path, $type := $paths }}
          - path: {{ $path | quote }}
            pathType: {{ $type }}
            backend: {service: {name: {{ $name }}, port: {name: http}}}
          {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}
