{{- define "nadroute.prefix" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "nadroute" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-nadroute" (.Release.Name | trunc 31 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- /* The labels by which a part's pods are selected. They never change. */ -}}
{{- define "nadroute.selector" -}}
app.kubernetes.io/name: nadroute
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "nadroute.labels" -}}
{{ include "nadroute.common" .root }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "nadroute.common" -}}
app.kubernetes.io/name: nadroute
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nadroute
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "nadroute.image" -}}
{{- $image := .root.Values.image -}}
{{- $name := printf "%s/nadroute-%s" (trimSuffix "/" $image.registry) .part -}}
{{- with index $image.digests .part -}}
{{- printf "%s@%s" $name . -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "nadroute.secret" -}}
{{- if and .Values.redis.url (not .Values.secrets.existing) -}}
{{- fail "redis.url is set, so the passwords are those of that Redis: set secrets.existing to a Secret with them" -}}
{{- end -}}
{{- .Values.secrets.existing | default (include "nadroute.prefix" .) -}}
{{- end -}}

{{- define "nadroute.redis-host" -}}
{{- printf "%s-redis.%s.svc.%s" (include "nadroute.prefix" .) .Release.Namespace .Values.clusterDomain -}}
{{- end -}}

{{- /* With its full name and a trailing dot, so that the resolver asks once and appends no domain. */ -}}
{{- define "nadroute.redis-url" -}}
{{- if .Values.redis.url -}}
{{- .Values.redis.url -}}
{{- else -}}
{{- printf "%s://%s.:6379/0" (ternary "rediss" "redis" .Values.redis.tls) (include "nadroute.redis-host" .) -}}
{{- end -}}
{{- end -}}

{{- /* "true" where the Secret has the CA of Redis. */ -}}
{{- define "nadroute.redis-ca" -}}
{{- if .Values.redis.url }}{{ with .Values.redis.ca }}true{{ end }}{{ else }}{{ with .Values.redis.tls }}true{{ end }}{{ end -}}
{{- end -}}
