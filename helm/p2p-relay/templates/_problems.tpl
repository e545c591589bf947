{{- /*
What can't work, a sentence a line. Whatever a sentence is about is refused before anything is made: a pod that
can't start says it too, but later and to fewer.
*/ -}}
{{- define "p2p-relay.problems" -}}
{{- include "p2p-relay.problems.auth" . }}
{{- include "p2p-relay.problems.redis" . }}
{{- include "p2p-relay.problems.objects" . }}
{{- end -}}

{{- define "p2p-relay.problems.auth" -}}
{{- $rules := or .Values.config.allowedClient .Values.config.allowedAudience .Values.config.allowedScope .Values.config.requiredClaim }}
{{- with .Values.config }}
{{- if not .auth }}
config.auth must be said: jwt, with config.discoveryUrl and the rules for tokens, or none, and whoever reaches the Service may come in.
{{- else if eq .auth "jwt" }}
{{- if not .discoveryUrl }}
config.auth jwt needs config.discoveryUrl: https://ISSUER/.well-known/openid-configuration of whoever issues your tokens.
{{- end }}
{{- if not $rules }}
config.auth jwt needs at least one of config.allowedClient, allowedAudience, allowedScope and requiredClaim; else any token of the issuer would do.
{{- end }}
{{- else if or .discoveryUrl $rules .meshClaim }}
config.discoveryUrl, meshClaim and the rules for tokens are for config.auth jwt, and it is none.
{{- end }}
{{- end }}
{{- end -}}

{{- define "p2p-relay.problems.redis" -}}
{{- $networkPolicy := .Values.networkPolicy }}
{{- with .Values.redis }}
{{- $sources := compact (list .url .existingSecret.urlKey (ternary "bundled" "" .bundled.enabled)) }}
{{- if eq (len $sources) 0 }}
The relay needs a Redis: set redis.url, or redis.existingSecret.name and urlKey; to try it out, redis.bundled.enabled=true.
{{- else if gt (len $sources) 1 }}
redis.url, redis.existingSecret.urlKey and redis.bundled.enabled exclude each other: there is one Redis.
{{- end }}
{{- if and (or .existingSecret.urlKey .existingSecret.passwordKey .existingSecret.sentinelPasswordKey) (not .existingSecret.name) }}
redis.existingSecret names keys and no Secret: set redis.existingSecret.name.
{{- end }}
{{- if and .existingSecret.name (not (or .existingSecret.urlKey .existingSecret.passwordKey .existingSecret.sentinelPasswordKey)) }}
redis.existingSecret names a Secret and no key of it: set urlKey, passwordKey or sentinelPasswordKey.
{{- end }}
{{- if and .bundled.enabled (or .existingSecret.passwordKey .tls.existingSecret) }}
redis.bundled has a password of its own and no TLS: redis.existingSecret and redis.tls are for a Redis of yours.
{{- end }}
{{- if and .tls.existingSecret .url (not (hasPrefix "rediss" .url)) }}
redis.tls is for TLS: redis.url must begin with rediss.
{{- end }}
{{- if ne (empty .tls.certKey) (empty .tls.keyKey) }}
redis.tls.certKey and redis.tls.keyKey need each other.
{{- end }}
{{- if and $networkPolicy.enabled .url }}
{{- $standard := ternary "26379" "6379" (contains "+sentinel" .url) }}
{{- range splitList "," (regexReplaceAll "^[^/]*//([^/]*@)?|/.*$" .url "") }}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" | default $standard }}
{{- if not (has $port (toStrings $networkPolicy.redisPorts)) }}
redis.url leads to port {{ $port }}, which networkPolicy.redisPorts does not let through.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "p2p-relay.problems.objects" -}}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
autoscaling.minReplicas is more than maxReplicas.
{{- end }}
{{- if not (or .targetCPUUtilizationPercentage .targetConnections) }}
autoscaling needs targetCPUUtilizationPercentage or targetConnections.
{{- end }}
{{- if and .targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $.Values.resources)) }}
autoscaling.targetCPUUtilizationPercentage is of resources.requests.cpu, which is not set.
{{- end }}
{{- if ge (int .targetConnections) (int (default 10000 $.Values.config.connectionsMax)) }}
autoscaling.targetConnections must be less than config.connectionsMax ({{ int (default 10000 $.Values.config.connectionsMax) }}), which a node never passes.
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.podDisruptionBudget }}
{{- if and .enabled (include "p2p-relay.several" $) }}
{{- if eq (kindIs "invalid" .minAvailable) (kindIs "invalid" .maxUnavailable) }}
podDisruptionBudget has either maxUnavailable or minAvailable; set the other one to null.
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
ingress needs hosts: the names under which clients come.
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute needs parentRefs: the gateway that it belongs to.
{{- end }}
{{- if and (not .Values.serviceAccount.create) .Values.serviceAccount.annotations }}
serviceAccount.annotations are for the one that serviceAccount.create makes.
{{- end }}
{{- end -}}
