{{/* The Service of a component's port `http`. (dict "root" . "component" "api" "values" .Values.api) */}}
{{- define "stanine.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "stanine.componentName" . }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "stanine.labels" . | nindent 4 }}
  {{- with .values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .values.service.type }}
  selector:
    {{- include "stanine.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .values.service.port }}
      targetPort: http
      protocol: TCP
      appProtocol: http
      {{- if and (ne .values.service.type "ClusterIP") .values.service.nodePort }}
      nodePort: {{ .values.service.nodePort }}
      {{- end }}
{{- end -}}
