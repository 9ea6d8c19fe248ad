{{/* each renders a template for the parts that are enabled: list ROOT TEMPLATE PART… The part "" are the servers, whose context is
     the root. The others' has "part", and in Values what holds for them. */}}
{{- define "pgherald.each" -}}
{{- $root := index . 0 -}}
{{- $template := index . 1 -}}
{{- $documents := list -}}
{{- range $part := slice . 2 -}}
{{- $context := $root -}}
{{- if $part -}}
{{- $values := include (printf "pgherald.%sValues" $part) $root | fromYaml -}}
{{- $context = dict "Chart" $root.Chart "Release" $root.Release "Values" $values "part" $part -}}
{{- end -}}
{{- if or (not $part) (get $context.Values (ternary "edges" "relay" (eq $part "edge"))).enabled -}}
{{- $documents = append $documents (include $template $context | trim) -}}
{{- end -}}
{{- end -}}
{{- join "\n---\n" (compact $documents) -}}
{{- end -}}

{{/* overlay are values with those that a part has otherwise: list VALUES OTHERS. The groups of the chart are merged, and what is
     Kubernetes' is replaced. Not by mergeOverwrite, for which false, 0 and an empty list are no values. */}}
{{- define "pgherald.overlay" -}}
{{- $values := deepCopy (index . 0) -}}
{{- range $key, $value := index . 1 -}}
{{- if has $key (list "image" "config" "service" "autoscaling" "podDisruptionBudget" "networkPolicy") -}}
{{- $group := get $values $key -}}
{{- range $member, $it := $value -}}{{- $_ := set $group $member $it -}}{{- end -}}
{{- else -}}
{{- $_ := set $values $key $value -}}
{{- end -}}
{{- end -}}
{{- /* Constraints select pods: those of the servers count the servers. */ -}}
{{- $_ := set $values "topologySpreadConstraints" (get (index . 1) "topologySpreadConstraints" | default list) -}}
{{- toYaml $values -}}
{{- end -}}

{{/* edgeValues are the values for the edges. They have the servers' settings, without those that need a database: edges.config
     cannot have these. */}}
{{- define "pgherald.edgeValues" -}}
{{- $values := include "pgherald.overlay" (list .Values .Values.edges) | fromYaml -}}
{{- $_ := set $values "config" (omit $values.config "tables" "lock-timeout" "retain-age" "retain-bytes" "probe-interval" "trigger-check-interval" "write-role" "publish-role") -}}
{{- $_ := set $values "spec" nil -}}
{{- toYaml $values -}}
{{- end -}}

{{/* relayValues are the values for the relay: no client connects to it, so that it has nothing to drain. */}}
{{- define "pgherald.relayValues" -}}
{{- $values := include "pgherald.overlay" (list .Values (omit .Values.relay "config")) | fromYaml -}}
{{- $_ := set $values "preStopSeconds" 0 -}}
{{- $_ := set $values "drainSeconds" 5 -}}
{{- $_ := set $values.autoscaling "enabled" false -}}
{{- $_ := set $values.metrics "port" 9103 -}}
{{- toYaml $values -}}
{{- end -}}

{{/* env are the variables of a part's container, with the secrets. */}}
{{- define "pgherald.env" -}}
{{- $part := get . "part" -}}
{{- $secrets := .Values.secrets -}}
{{- $direct := ternary $secrets.listenDatabaseURL $secrets.databaseURL (ne $secrets.listenDatabaseURL.name "") -}}
{{- $all := dict "PGHERALD_JWT_SECRET" $secrets.jwtSecret "PGHERALD_JWT_JWKS" $secrets.jwtJWKS "PGHERALD_AUTH_URL" $secrets.authURL -}}
{{- if eq $part "relay" -}}
{{- $database := ternary .Values.relay.databaseURL $direct (ne .Values.relay.databaseURL.name "") -}}
{{- $all = dict "DATABASE_URL" $database "PGHERALD_STREAM_URL" $secrets.streamURL -}}
{{- else if eq $part "edge" -}}
{{- $_ := set $all "PGHERALD_SOURCE" (ternary .Values.edges.streamURL $secrets.streamURL (ne .Values.edges.streamURL.name "")) -}}
{{- else -}}
{{- $_ := set $all "DATABASE_URL" $secrets.databaseURL -}}
{{- $_ := set $all "PGHERALD_LISTEN_DATABASE_URL" $secrets.listenDatabaseURL -}}
{{- $_ := set $all "PGHERALD_ACTIVITIES_DATABASE_URL" $secrets.activitiesDatabaseURL -}}
{{- end -}}
{{- if ne $part "relay" }}
- { name: PGHERALD_CONFIG, value: /etc/pgherald/config.yaml }
{{- end }}
{{- range $variable, $reference := $all }}
{{- if $reference.name }}
{{ include "pgherald.secret" (list $variable $reference) }}
{{- end }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* probes of a part's container. */}}
{{- define "pgherald.probes" -}}
{{- if eq (get . "part") "relay" -}}
# Ready: it copies or stands by. Without its database or its store it does neither, and a restart would not help.
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 3
livenessProbe:
  httpGet: { path: /metrics, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- else -}}
{{- $scheme := ternary "HTTPS" "HTTP" (hasKey .Values.config "tls-cert") -}}
# Neither depends on the {{ ternary "store" "database" (eq (get . "part") "edge") }}: without it, streams wait, and an EventSource never returns after a 503.
readinessProbe:
  httpGet: { path: /readyz, port: http, scheme: {{ $scheme }} }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /livez, port: http, scheme: {{ $scheme }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
{{- end -}}

{{/* edgeBackend renders the reference of a route to the Service of the edges, and nothing without edges. */}}
{{- define "pgherald.edgeBackend" -}}
{{- if .Values.edges.enabled -}}
{{- $values := include "pgherald.edgeValues" . | fromYaml -}}
name: {{ include "pgherald.name" (dict "Chart" .Chart "Release" .Release "Values" $values "part" "edge") }}
port: {{ $values.service.port }}
{{- end -}}
{{- end -}}
