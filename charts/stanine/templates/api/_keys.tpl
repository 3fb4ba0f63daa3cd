{{- define "stanine.keys.secretName" -}}
{{- .Values.api.keys.existingSecret | default (printf "%s-keys" (include "stanine.fullname" .)) -}}
{{- end -}}
{{- define "stanine.keys.adminSecretName" -}}
{{ include "stanine.fullname" . }}-admin-key
{{- end -}}

{{/* The Secret with the key for `helm test`; empty without one. */}}
{{- define "stanine.smokeTest.key" -}}
{{- if .Values.smokeTest.existingSecret }}{{ .Values.smokeTest.existingSecret }}
{{- else if and (not .Values.api.keys.existingSecret) .Values.api.keys.generateAdminKey }}{{ include "stanine.keys.adminSecretName" . }}{{ end -}}
{{- end -}}
