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

{{/* selector are the labels that never change. */}}
{{- define "pgherald.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
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

{{/* check fails for values that contradict each other, which the schema cannot say. */}}
{{- define "pgherald.check" -}}
{{- $config := .Values.config -}}
{{- if not .Values.secrets.databaseURL.name -}}
{{- fail "secrets.databaseURL.name is not set: create a Secret with the URL of the database, and name it" -}}
{{- end -}}
{{- if not (or (has (get $config "auth") (list "jwt" "forward")) (eq (toString (get $config "insecure")) "true")) -}}
{{- fail "config.auth is not set: set it to jwt or forward, or set config.insecure if a proxy in front authenticates clients (docs/authentication.md)" -}}
{{- end -}}
{{- $watched := list (not (empty $config.tables)) (not (empty .Values.spec)) .Values.example | compact -}}
{{- if ne (len $watched) 1 -}}
{{- fail "set one of config.tables, spec and example: what to watch" -}}
{{- end -}}
{{- if and (or .Values.metrics.serviceMonitor.enabled .Values.autoscaling.enabled) (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor and autoscaling need metrics.enabled" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- end -}}

{{/* testSelector are the labels of the pod of helm test. */}}
{{- define "pgherald.testSelector" -}}
app.kubernetes.io/name: {{ include "pgherald.fullname" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* configFile is the file of --config. */}}
{{- define "pgherald.configFile" -}}
{{- $own := dict "addr" "0.0.0.0:8080" "drain" (printf "%ds" (int .Values.drainSeconds)) -}}
{{- if .Values.metrics.enabled -}}{{- $_ := set $own "admin-addr" (printf "0.0.0.0:%d" (int .Values.metrics.port)) -}}{{- end -}}
{{- if .Values.spec -}}{{- $_ := set $own "spec" "/etc/pgherald/spec.yaml" -}}{{- end -}}
{{- if ne .Values.migrate.mode "server" -}}{{- $_ := set $own "no-migrate" true -}}{{- $_ := set $own "no-apply" true -}}{{- end -}}
{{- $all := dict -}}
{{- range $key, $value := merge $own .Values.config -}}
{{- /* A number of values is a float, which would become 1e+06. */ -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) -}}{{- $value = int64 $value -}}{{- end -}}
{{- $_ := set $all $key $value -}}
{{- end -}}
{{- /* helm test, and pods that are clients, use the names of the Service. */ -}}
{{- with get $all "allowed-hosts" -}}
{{- $hosts := . -}}
{{- if kindIs "string" . -}}{{- $hosts = splitList "," . -}}{{- end -}}
{{- if not (has "*" $hosts) -}}
{{- $name := include "pgherald.fullname" $ -}}
{{- $_ := set $all "allowed-hosts" (concat $hosts (list $name (printf "%s.%s.svc" $name $.Release.Namespace)) | uniq) -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* files are the data of a ConfigMap with the settings and the spec. */}}
{{- define "pgherald.files" -}}
config.yaml: |
{{ include "pgherald.configFile" . | indent 2 }}
{{- if .Values.spec }}
spec.yaml: |
{{- if kindIs "string" .Values.spec }}
{{ .Values.spec | trim | indent 2 }}
{{- else }}
{{ toYaml .Values.spec | indent 2 }}
{{- end }}
{{- end }}
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
