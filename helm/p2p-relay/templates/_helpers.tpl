{{- define "p2p-relay.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Of the pods of one component: (list . "relay"). Must never change: a Deployment's selector can't. */ -}}
{{- define "p2p-relay.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "p2p-relay.labels" -}}
{{- $root := index . 0 -}}
{{ include "p2p-relay.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "p2p-relay.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "p2p-relay.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "p2p-relay.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- /*
The end of a pod, in seconds, and the only place that counts them:

	0                     the pod is taken out of the Service, and the preStop hook sleeps, so that who has
	                      not heard of that yet still finds it listening
	preStopSeconds        SIGTERM: no newcomers, and clients are closed over drainSeconds
	+ drainSeconds        the last is closed; who does not answer the close is waited for, 5 s at most
	+ 5                   what is owed to Redis is told: who left, 3 s after it did, so that whoever moved
	                      to another pod was never offline. The relay waits 6 s for it at most
	+ 15                  SIGKILL, for what is still there
*/ -}}
{{- define "p2p-relay.graceSeconds" -}}
{{- add .Values.preStopSeconds .Values.config.drainSeconds 15 -}}
{{- end -}}

{{- define "p2p-relay.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}yes{{ end -}}
{{- end -}}

{{- /* Name and key of the Secret that holds the URL of Redis. */ -}}
{{- define "p2p-relay.redisUrlSecret" -}}
{{- with .Values.redis -}}
{{- $own := ternary "p2p-relay.redisFullname" "p2p-relay.fullname" .bundled.enabled -}}
name: {{ ternary .existingSecret.name (include $own $) (ne .existingSecret.urlKey "") }}
key: {{ default "redis-url" .existingSecret.urlKey }}
{{- end -}}
{{- end -}}

{{- define "p2p-relay.redisFullname" -}}
{{ include "p2p-relay.fullname" . }}-redis
{{- end -}}

{{- /* What was made up at the first install is kept. */ -}}
{{- define "p2p-relay.bundledPassword" -}}
{{- $kept := lookup "v1" "Secret" .Release.Namespace (include "p2p-relay.redisFullname" .) -}}
{{- if .Values.redis.bundled.password -}}
{{- .Values.redis.bundled.password -}}
{{- else if $kept -}}
{{- index $kept.data "password" | b64dec -}}
{{- else -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- end -}}

{{- /* The variables of `config`: ttlSeconds is RELAY_TTL_SECONDS. */ -}}
{{- define "p2p-relay.config" -}}
{{- range $name, $value := .Values.config }}
{{- if kindIs "slice" $value }}
{{- $value = join (ternary "\n" " " (eq $name "requiredClaim")) $value }}
{{- else if kindIs "float64" $value }}
{{- $value = int64 $value }}
{{- else if kindIs "bool" $value }}
{{- $value = ternary "on" "off" $value }}
{{- end }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: RELAY_{{ snakecase $name | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A volume of a Secret of the user's, and where the container finds it: (list NAME SECRET) */ -}}
{{- define "p2p-relay.secretVolume" -}}
- name: {{ index . 0 }}
  secret:
    secretName: {{ index . 1 }}
    defaultMode: 0440
{{- end -}}
{{- define "p2p-relay.secretMount" -}}
- name: {{ . }}
  mountPath: /etc/p2p-relay/{{ . }}
  readOnly: true
{{- end -}}
