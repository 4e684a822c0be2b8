{{- /* A Deployment of a service that asks Kubernetes, and of whose pods one leads by a Lease. */ -}}
{{- define "nadroute.leading" -}}
{{- $name := printf "%s-%s" (include "nadroute.prefix" .root) .part -}}
{{- $values := index .root.Values .part -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "nadroute.labels" . | nindent 4 }}
spec:
  # One leads, the others stand by.
  replicas: {{ $values.replicas }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # A version that does not start replaces nothing.
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "nadroute.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "nadroute.labels" . | nindent 8 }}
      annotations:
        {{- include "nadroute.scraped" . | nindent 8 }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: true
      # Variables named after Services would be mistaken for settings.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .grace }}
      {{- with include "nadroute.pull-secrets" .root }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- include "nadroute.apart" . | nindent 6 }}
      {{- include "nadroute.placement" . | nindent 6 }}
      {{- include "nadroute.unprivileged" . | nindent 6 }}
      containers:
        - name: {{ .part }}
          image: {{ include "nadroute.image" . }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: [{{ .part }}]
          env:
            {{- include "nadroute.redis-environment" . | nindent 12 }}
            {{- include "nadroute.lease-environment" . | nindent 12 }}
            {{- include "nadroute.telemetry-environment" . | nindent 12 }}
            {{- include "nadroute.settings" .root | trim | nindent 12 }}
          ports:
            - name: metrics
              containerPort: {{ .port }}
          {{- include "nadroute.probes" . | nindent 10 }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          {{- include "nadroute.confined" . | nindent 10 }}
          volumeMounts:
            {{- include "nadroute.secret-mount" . | nindent 12 }}
      volumes:
        {{- include "nadroute.secret-volume" . | nindent 8 }}
{{- end -}}
