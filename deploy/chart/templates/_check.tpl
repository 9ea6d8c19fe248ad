{{/* check fails for values that contradict each other, which the schema cannot say. */}}
{{- define "pgherald.check" -}}
{{- if not .Values.secrets.databaseURL.name -}}
{{- fail "secrets.databaseURL.name is not set: create a Secret with the URL of the database, and name it" -}}
{{- end -}}
{{- $watched := list (not (empty .Values.config.tables)) (not (empty .Values.spec)) .Values.example | compact -}}
{{- if ne (len $watched) 1 -}}
{{- fail "set one of config.tables, spec and example: what to watch" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "metrics.serviceMonitor needs metrics.enabled" -}}
{{- end -}}
{{- include "pgherald.checkServers" (dict "Values" .Values "of" "") -}}
{{- if .Values.edges.enabled -}}
{{- include "pgherald.checkServers" (dict "Values" (include "pgherald.edgeValues" . | fromYaml) "of" "edges.") -}}
{{- end -}}
{{- include "pgherald.checkStream" . -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway, such as [{ name: public }]" -}}
{{- end -}}
{{- end -}}

{{/* checkServers checks the values of the servers or the edges: dict Values, and of with the group's name and a dot. */}}
{{- define "pgherald.checkServers" -}}
{{- $config := .Values.config -}}
{{- if not (or (has (get $config "auth") (list "jwt" "forward")) (eq (toString (get $config "insecure")) "true")) -}}
{{- fail (printf "%sconfig.auth is not set: set it to jwt or forward, or set config.insecure if a proxy in front authenticates clients (docs/authentication.md)" .of) -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (not $.Values.metrics.enabled) -}}
{{- fail (printf "%sautoscaling needs metrics.enabled" $.of) -}}
{{- end -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "%sautoscaling.minReplicas is more than maxReplicas" $.of) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* checkStream checks that the relay and the edges know their store. */}}
{{- define "pgherald.checkStream" -}}
{{- $hasStream := ne .Values.secrets.streamURL.name "" -}}
{{- if and .Values.relay.enabled (not $hasStream) -}}
{{- fail "relay.enabled needs secrets.streamURL.name: create a Secret with the URL of a Redis or Valkey, and name it (docs/edges.md)" -}}
{{- end -}}
{{- if and .Values.edges.enabled (not $hasStream) (not .Values.edges.streamURL.name) -}}
{{- fail "edges.enabled needs secrets.streamURL.name or edges.streamURL.name: create a Secret with the URL of the Redis or Valkey into which a relay copies, and name it (docs/edges.md)" -}}
{{- end -}}
{{- end -}}
