{{/* Parts of the jobs that take and restore backups. */}}

{{/* The image of the throw-away server: by default that of the release's server. */}}
{{- define "stanine.backup.image" -}}
{{- with .Values.backup.image -}}
{{- if .repository -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- else -}}
{{ include "stanine.valkey.image" $ }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The volume of the backups. */}}
{{- define "stanine.backup.volume" -}}
name: backups
persistentVolumeClaim:
  claimName: {{ .Values.backup.persistence.existingClaim | default (include "stanine.componentName" (dict "root" . "component" "backup")) | quote }}
{{- end -}}
