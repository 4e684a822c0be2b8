{{- /* A part whose node is away for 30 s is started on another one. */ -}}
{{- define "nadroute.placement" -}}
{{- $values := index .root.Values .part -}}
tolerations:
  # Kubernetes' default is 300 s.
  - key: node.kubernetes.io/not-ready
    operator: Exists
    effect: NoExecute
    tolerationSeconds: 30
  - key: node.kubernetes.io/unreachable
    operator: Exists
    effect: NoExecute
    tolerationSeconds: 30
{{- with $values.tolerations }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "nadroute.pull-secrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{- /* On another node than its like of the same version: without matchLabelKeys, the pods of the former version
       push both new ones onto one node at every update. */ -}}
{{- define "nadroute.apart" -}}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          {{- if semverCompare ">=1.31.0-0" .root.Capabilities.KubeVersion.Version }}
          # Of the same version: the pods of the former one would push both new ones onto one node.
          matchLabelKeys: [pod-template-hash]
          {{- end }}
          labelSelector:
            matchLabels:
              {{- include "nadroute.selector" . | nindent 14 }}
{{- end -}}

{{- define "nadroute.unprivileged" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "nadroute.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- /* How a part reaches Redis, as the user of its name. */ -}}
{{- define "nadroute.redis-environment" -}}
- name: NADROUTE_REDIS_URL
  value: {{ include "nadroute.redis-url" .root }}
- name: NADROUTE_REDIS_USERNAME
  value: {{ .part }}
# Read anew at each connection: a Secret that changes needs no restart.
- name: NADROUTE_REDIS_PASSWORD_FILE
  value: /run/secrets/nadroute/redis-password
{{- if include "nadroute.redis-ca" .root }}
# The server's certificate is verified by this CA alone.
- name: NADROUTE_REDIS_CA_FILE
  value: /run/secrets/nadroute/redis-ca.crt
{{- end }}
{{- if include "nadroute.redis-client" .root }}
- name: NADROUTE_REDIS_CERTIFICATE_FILE
  value: /run/secrets/nadroute/redis-client.crt
- name: NADROUTE_REDIS_KEY_FILE
  value: /run/secrets/nadroute/redis-client.key
{{- end }}
{{- end -}}

{{- /* A variable's value: lists and mappings are JSON. */ -}}
{{- define "nadroute.variable" -}}
{{- kindIs "string" . | ternary . (toJson .) | quote -}}
{{- end -}}

{{- define "nadroute.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: NADROUTE_{{ upper $name }}
  value: {{ include "nadroute.variable" $value }}
{{- end }}
# The root is read-only. What a library writes is small and needs no volume, about which a drain would ask.
- name: TMPDIR
  value: /dev/shm
- name: HOME
  value: /dev/shm
{{- end -}}

{{- define "nadroute.telemetry-environment" -}}
- name: NADROUTE_METRICS_ADDRESS
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: NADROUTE_METRICS_PORT
  value: {{ .port | quote }}
{{- end -}}

{{- define "nadroute.lease-environment" -}}
- name: NADROUTE_LEASE_NAME
  value: {{ include "nadroute.prefix" .root }}-{{ .part }}
# A container that is started again leads at once.
- name: NADROUTE_LEASE_IDENTITY
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}

{{- define "nadroute.probes" -}}
# The others begin when the service listens: a start of Python costs no failed probe.
startupProbe:
  httpGet:
    path: /healthz
    port: metrics
  initialDelaySeconds: 2
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 60
# Fails when one of the service's own loops stalls, never because Redis or Kubernetes is down.
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
  # A frozen process ends nothing in hand.
  terminationGracePeriodSeconds: 10
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{- define "nadroute.secret-volume" -}}
- name: secrets
  secret:
    secretName: {{ include "nadroute.secret" .root }}
    items:
      - key: {{ .part }}
        path: redis-password
{{- if include "nadroute.redis-ca" .root }}
      - key: redis-ca.crt
        path: redis-ca.crt
{{- end }}
{{- if include "nadroute.redis-client" .root }}
      - key: redis-client.crt
        path: redis-client.crt
      - key: redis-client.key
        path: redis-client.key
{{- end }}
{{- end -}}

{{- /* The same for the commands, with the password before the last rotation, by which `redis load` signs in. */ -}}
{{- define "nadroute.cli-secret-volume" -}}
{{- $volume := index (include "nadroute.secret-volume" . | fromYamlArray) 0 -}}
- name: secrets
  projected:
    sources:
      - secret:
          name: {{ $volume.secret.secretName }}
          items:
            {{- toYaml $volume.secret.items | nindent 12 }}
      - secret:
          name: {{ $volume.secret.secretName }}
          optional: true
          items:
            - key: {{ .part }}.former
              path: redis-password.former
{{- end -}}

{{- define "nadroute.secret-mount" -}}
- name: secrets
  mountPath: /run/secrets/nadroute
  readOnly: true
{{- end -}}

{{- /* A hook of Helm, which Argo CD runs before it syncs. */ -}}
{{- define "nadroute.before" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "nadroute.scraped" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: /metrics
{{- end -}}
