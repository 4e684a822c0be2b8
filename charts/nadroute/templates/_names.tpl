{{- /* What the names of a release's objects begin with: at most 40 characters, and valid as a Service's name, which has
       no dots and begins with a letter. A release's name that had to be changed is kept apart by a digest. */ -}}
{{- define "nadroute.prefix" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $full := contains "nadroute" .Release.Name | ternary .Release.Name (printf "%s-nadroute" .Release.Name) -}}
{{- $valid := replace "." "-" $full -}}
{{- if not (regexMatch "^[a-z]" $valid) -}}
{{- $valid = printf "nadroute-%s" $valid -}}
{{- end -}}
{{- if or (ne $valid $full) (gt (len $valid) 40) -}}
{{- printf "%s-%s" ($valid | trunc 31 | trimSuffix "-") (.Release.Name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $valid -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The same for objects outside of the release's namespace, where one of the same name may be in another. */ -}}
{{- define "nadroute.prefix-in-cluster" -}}
{{- $prefix := include "nadroute.prefix" . -}}
{{- eq $prefix .Release.Namespace | ternary $prefix (printf "%s.%s" $prefix .Release.Namespace) -}}
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
{{- if and (or .Values.redis.ca .Values.redis.clientCertificate) .Values.redis.url (not (hasPrefix "rediss://" .Values.redis.url)) -}}
{{- fail "redis.ca or redis.clientCertificate is set, and redis.url is redis://…: expected rediss://…, or neither of them" -}}
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

{{- /* "true" where the Secret has a certificate with which nadroute signs in at a Redis outside. */ -}}
{{- define "nadroute.redis-client" -}}
{{- if and .Values.redis.url .Values.redis.clientCertificate }}true{{ end -}}
{{- end -}}
