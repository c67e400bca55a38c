{{- /* Names. Not from .Chart: the templates are also used from other charts. */ -}}
{{- define "sidekey.name" -}}
{{- if eq .Release.Name "sidekey" }}sidekey{{ else }}{{ printf "%s-sidekey" .Release.Name }}{{ end -}}
{{- end -}}

{{- define "sidekey.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}{{ else if .Values.serviceAccount.create }}{{ include "sidekey.name" . }}{{ else }}default{{ end -}}
{{- end -}}

{{- define "sidekey.image" -}}
{{- if .Values.image.digest }}{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}{{ else }}{{ printf "%s:%s" .Values.image.repository (default "v0.7.0" .Values.image.tag) }}{{ end -}}
{{- end -}}

{{- define "sidekey.labels" -}}
app.kubernetes.io/name: sidekey
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sidekey.containerSecurity" -}}
runAsUser: 65532
runAsGroup: 65532
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "sidekey.mounts" -}}
# A folder: a file that is mounted by subPath would never change.
- {name: sidekey-config, mountPath: /etc/sidekey, readOnly: true}
- {name: sidekey-secrets, mountPath: /run/secrets/sidekey, readOnly: true}
- {name: sidekey-spool, mountPath: /tmp}
{{- end -}}

{{- /* The volumes of a pod with sidekey in it. */ -}}
{{- define "sidekey.volumes" -}}
- name: sidekey-config
  configMap: {name: {{ include "sidekey.name" . }}}
- name: sidekey-secrets
  secret: {secretName: {{ .Values.secretName }}, defaultMode: 0400}
- name: sidekey-spool
  emptyDir: {sizeLimit: {{ .Values.spool.sizeLimit }}}
{{- end -}}

{{- /* Readiness, as the admin address can be reached. */ -}}
{{- define "sidekey.ask" -}}
{{- if .Values.admin.expose -}}
httpGet: {path: /readyz, port: 8788}
{{- else -}}
exec: {command: [/sidekey, health]}
{{- end }}
timeoutSeconds: 3
{{- end -}}
