{{/* The Deployment of a watcher. (dict "root" . "component" "index-watcher" "values" .Values.indexWatcher "redis" true) */}}
{{- define "stanine.watcher" -}}
{{- $_ := set . "checksums" (dict "checksum/redis" (include "stanine.redis.checksum" .root)) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "stanine.componentName" . }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "stanine.labels" . | nindent 4 }}
spec:
  {{- include "stanine.replicas" . | nindent 2 }}
  selector:
    matchLabels:
      {{- include "stanine.selectorLabels" . | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      {{- include "stanine.podMetadata" . | nindent 6 }}
    spec:
      serviceAccountName: {{ include "stanine.serviceAccountName" . | quote }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "stanine.podPlacement" . | nindent 6 }}
      {{- include "stanine.topologySpread" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      containers:
        - name: {{ .component }}
          image: {{ include "stanine.image" .root | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          {{- with .values.command }}
          command:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          args:
            {{- with .values.args }}
            {{- toYaml . | nindent 12 }}
            {{- else }}
            - {{ .component }}
            - --health-host={{ .root.Values.listenAddress }}
            - --health-port=8081
            {{- end }}
          {{- include "stanine.env" . | nindent 10 }}
          ports:
            - {name: health, containerPort: 8081}
          # whether its event loops run; independent of Redis
          livenessProbe:
            httpGet: {path: /healthz, port: health}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          # whether it accepts work
          readinessProbe:
            httpGet: {path: /readyz, port: health}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          startupProbe:
            httpGet: {path: /healthz, port: health}
            periodSeconds: 1
            timeoutSeconds: 2
            failureThreshold: 60
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          {{- include "stanine.containerSecurity" . | nindent 10 }}
          {{- include "stanine.mounts" . | nindent 10 }}
      {{- include "stanine.volumes" . | nindent 6 }}
{{- end -}}
