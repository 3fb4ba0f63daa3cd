{{- define "stanine.keys.secretName" -}}
{{- .Values.api.keys.existingSecret | default (printf "%s-keys" (include "stanine.fullname" .)) -}}
{{- end -}}
{{- define "stanine.keys.adminSecretName" -}}
{{ include "stanine.fullname" . }}-admin-key
{{- end -}}
