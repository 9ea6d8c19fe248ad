{{/* fullname is the name of the resources: the release's, with the chart's if that is not part of it. */}}
{{- define "pgherald.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* name is the name of the resources of a part. "-relay-metrics" must fit into 63 letters. */}}
{{- define "pgherald.name" -}}
{{- $name := include "pgherald.fullname" . -}}
{{- with get . "part" -}}{{- $name = printf "%s-%s" ($name | trunc 49 | trimSuffix "-") . -}}{{- end -}}
{{- $name -}}
{{- end -}}

{{/* selector are the labels that never change. No part's select the pods of another. */}}
{{- define "pgherald.selector" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- with get . "part" -}}{{- $name = printf "%s-%s" ($name | trunc 57 | trimSuffix "-") . -}}{{- end -}}
app.kubernetes.io/name: {{ $name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pgherald.labels" -}}
{{ include "pgherald.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "pgherald.image" -}}
{{- $repository := required "image.repository is not set: push the image that tools/image packs, and name it (docs/install.md)" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "pgherald.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pgherald.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* testSelector are the labels of the pod of helm test. */}}
{{- define "pgherald.testSelector" -}}
app.kubernetes.io/name: {{ include "pgherald.fullname" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* secret is a variable from a reference: list NAME REFERENCE. */}}
{{- define "pgherald.secret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: { name: {{ (index . 1).name | quote }}, key: {{ (index . 1).key | quote }} }
{{- end -}}

{{/* podSecurity and containerSecurity are what the unit of systemd has too: no root, no rights, nothing to write to. */}}
{{- define "pgherald.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "pgherald.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
