{{/* configFile is the file of --config. */}}
{{- define "pgherald.configFile" -}}
{{- $own := dict "addr" "0.0.0.0:8080" "drain" (printf "%ds" (int .Values.drainSeconds)) -}}
{{- if .Values.metrics.enabled -}}{{- $_ := set $own "admin-addr" (printf "0.0.0.0:%d" (int .Values.metrics.port)) -}}{{- end -}}
{{- if .Values.spec -}}{{- $_ := set $own "spec" "/etc/pgherald/spec.yaml" -}}{{- end -}}
{{- if and (ne .Values.migrate.mode "server") (not (get . "part")) -}}{{- $_ := set $own "no-migrate" true -}}{{- $_ := set $own "no-apply" true -}}{{- end -}}
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
{{- $name := include "pgherald.name" $ -}}
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

{{/* relayArgs are the arguments of the relay, which reads no file of settings. */}}
{{- define "pgherald.relayArgs" -}}
{{- $all := pick .Values.config "max-event-bytes" "log-format" "log-level" -}}
{{- range $key, $value := .Values.relay.config -}}{{- $_ := set $all $key $value -}}{{- end -}}
- relay
- --metrics-addr=0.0.0.0:{{ .Values.metrics.port }}
{{- if .Values.spec }}
- --spec=/etc/pgherald/spec.yaml
{{- end }}
{{- with .Values.config.tables }}
- {{ printf "--tables=%s" (join "," .) | quote }}
{{- end }}
{{- range $key, $value := $all }}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}{{- $value = int64 $value }}{{- end }}
- {{ printf "--%s=%v" $key $value | quote }}
{{- end }}
{{- end -}}
