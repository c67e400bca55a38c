{{- /*
sidekey as a native sidecar, for the initContainers of a chatbot's pod. In a chart
that names this one as a dependency (shared.enabled: false in its values):

  spec:
    securityContext: {fsGroup: 65532}     # lets sidekey read the secret
    initContainers:
      {{- include "sidekey.sidecar" (dict "Values" .Values.sidekey "Release" .Release) | nindent 6 }}
    volumes:
      {{- include "sidekey.volumes" (dict "Values" .Values.sidekey "Release" .Release) | nindent 6 }}

The chatbot finds it at http://127.0.0.1:8787. Kubernetes stops it after the
chatbot, so limits.drain may be a few seconds.
*/ -}}
{{- define "sidekey.sidecar" -}}
- name: sidekey
  image: {{ include "sidekey.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  restartPolicy: Always
  args: [serve, --config, /etc/sidekey/sidekey.yaml]
  env:
    - {name: SIDEKEY_LISTEN, value: "127.0.0.1:8787"}
    - {name: SIDEKEY_ADMIN_LISTEN, value: "{{ if .Values.admin.expose }}0.0.0.0{{ else }}127.0.0.1{{ end }}:8788"}
    {{- with .Values.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  startupProbe:
    {{- include "sidekey.ask" . | nindent 4 }}
    periodSeconds: 1
    failureThreshold: 30
  readinessProbe:
    {{- include "sidekey.ask" . | nindent 4 }}
    periodSeconds: 10
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- include "sidekey.containerSecurity" . | nindent 4 }}
  volumeMounts:
    {{- include "sidekey.mounts" . | nindent 4 }}
{{- end -}}
