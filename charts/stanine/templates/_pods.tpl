{{/* Parts of pod templates. Each takes (dict "root" . "component" "api" "values" .Values.api). */}}

{{/* Annotations and labels of a pod. */}}
{{- define "stanine.podMetadata" -}}
{{- $labels := merge (dict) (.values.podLabels | default dict) (.root.Values.pods.podLabels | default dict) -}}
labels:
  {{- include "stanine.podLabels" (merge (dict "labels" $labels) .) | nindent 2 }}
{{- with merge (dict) (.values.podAnnotations | default dict) (.root.Values.pods.podAnnotations | default dict) (.checksums | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Scheduling and security context of a pod: the pod security standard `restricted`. */}}
{{- define "stanine.podPlacement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.pods.podSecurityContext | nindent 2 }}
{{- with merge (dict) (.values.nodeSelector | default dict) (.root.Values.pods.nodeSelector | default dict) }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (.root.Values.pods.tolerations | default list) (.values.tolerations | default list) }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity | default .root.Values.pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName | default .root.Values.pods.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Spread the pods of one component over nodes and zones if possible. */}}
{{- define "stanine.topologySpread" -}}
topologySpreadConstraints:
{{- with .values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- else }}
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "stanine.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{/* Security context of a container. */}}
{{- define "stanine.containerSecurity" -}}
securityContext:
  {{- toYaml .root.Values.pods.containerSecurityContext | nindent 2 }}
{{- end -}}

{{/* Mounts and volumes; `volumes` and `mounts` are those of the component. */}}
{{- define "stanine.mounts" -}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if .redis }}
  {{- include "stanine.redis.mounts" . | nindent 2 }}
  {{- end }}
  {{- with .mounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with concat (.root.Values.pods.extraVolumeMounts | default list) (.values.extraVolumeMounts | default list) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
{{- define "stanine.volumes" -}}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- if .redis }}
  {{- include "stanine.redis.volumes" . | nindent 2 }}
  {{- end }}
  {{- with .volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with concat (.root.Values.pods.extraVolumes | default list) (.values.extraVolumes | default list) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The environment: the chart's variables, overridden by pods.extraEnv, then by the component's extraEnv; each name once. */}}
{{- define "stanine.env" -}}
{{- $env := dict -}}
{{- if .redis }}{{ $env = merge (include "stanine.redis.env" . | fromYaml) $env }}{{ end -}}
{{- $env = merge (include "stanine.otel.env" . | fromYaml) $env -}}
{{- with .root.Values.logLevel }}{{ $_ := set $env "STANINE_LOG_LEVEL" . }}{{ end -}}
{{- with .env }}{{ $env = mergeOverwrite $env . }}{{ end -}}
{{- range $extra := list .root.Values.pods.extraEnv .values.extraEnv -}}
{{- range $name, $value := $extra -}}
{{- if kindIs "invalid" $value }}{{ $env = omit $env $name }}{{ else }}{{ $_ := set $env $name $value }}{{ end -}}
{{- end -}}
{{- end -}}
env:
{{- /* variables with valueFrom precede others, which may refer to them as $(NAME) */}}
{{- range $name, $value := $env }}{{ if kindIs "map" $value }}
  - name: {{ $name | quote }}
    {{- toYaml $value | nindent 4 }}
{{- end }}{{ end }}
{{- range $name, $value := $env }}{{ if not (kindIs "map" $value) }}
  - name: {{ $name | quote }}
    value: {{ include "stanine.text" $value | quote }}
{{- end }}{{ end }}
{{- with concat (.root.Values.pods.extraEnvFrom | default list) (.values.extraEnvFrom | default list) }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A value as text. Helm parses every number of a values file as a float and would write 10000000 as 1e+07. */}}
{{- define "stanine.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* OpenTelemetry: endpoint, sampler and resource attributes. */}}
{{- define "stanine.otel.env" -}}
{{- with .root.Values.otel }}
{{- if .enabled }}
HOST_IP: {valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
POD_NAME: {valueFrom: {fieldRef: {fieldPath: metadata.name}}}
NODE_NAME: {valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
{{- with .headersSecret.name }}
OTEL_EXPORTER_OTLP_HEADERS: {valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: {{ $.root.Values.otel.headersSecret.key | quote }}}}}
{{- end }}
OTEL_TRACES_EXPORTER: otlp
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .endpoint | quote }}
OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf
OTEL_SERVICE_NAME: stanine-{{ $.component }}
OTEL_TRACES_SAMPLER: {{ .sampler }}
{{- with .samplerArgument }}
OTEL_TRACES_SAMPLER_ARG: {{ . | toString | quote }}
{{- end }}
{{- $attributes := list (printf "k8s.namespace.name=%s" $.root.Release.Namespace) "k8s.pod.name=$(POD_NAME)" "k8s.node.name=$(NODE_NAME)" }}
{{- range $name, $value := .resourceAttributes }}{{ $attributes = append $attributes (printf "%s=%s" $name $value) }}{{ end }}
OTEL_RESOURCE_ATTRIBUTES: {{ join "," $attributes | quote }}
{{- else }}
OTEL_SDK_DISABLED: "true"
{{- end }}
{{- end }}
{{- end -}}

{{/* Replicas: omitted with an autoscaler, so that an upgrade does not undo its decision. */}}
{{- define "stanine.replicas" -}}
{{- if not (or (dig "autoscaling" "enabled" false .values) (dig "keda" "enabled" false .values)) -}}
replicas: {{ .values.replicas }}
{{- end -}}
{{- end -}}
