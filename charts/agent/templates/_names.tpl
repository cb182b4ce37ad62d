{{/* Labels of everything in this chart. */}}
{{- define "breakglass-agent.labels" -}}
{{ include "breakglass-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What selects the agent's pod. */}}
{{- define "breakglass-agent.selector" -}}
app.kubernetes.io/name: breakglass-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* One name for all objects of a release. */}}
{{- define "breakglass-agent.name" -}}
{{- if eq .Release.Name "breakglass-agent" -}}
breakglass-agent
{{- else -}}
{{ printf "%s-breakglass-agent" .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Cluster-wide objects carry the namespace too: two releases may share a name in two namespaces. */}}
{{- define "breakglass-agent.clusterName" -}}
{{ printf "%s:%s" .Release.Namespace (include "breakglass-agent.name" .) }}
{{- end }}

{{/* "true" if no Role per namespace can be made: one of the ceiling has a wildcard, or need not exist yet. */}}
{{- define "breakglass-agent.anyNamespace" -}}
{{- $any := ternary "true" "" .Values.ceiling.createNamespaces -}}
{{- range .Values.ceiling.namespaces -}}
{{- if regexMatch "[*?\\[{]" . -}}{{- $any = "true" -}}{{- end -}}
{{- end -}}
{{ $any }}
{{- end }}

{{/* What the agent does in a namespace of sessions (agent/src/cluster.rs lists the same). */}}
{{- define "breakglass-agent.sessionRules" -}}
- apiGroups: [apps]
  resources: [daemonsets, deployments]
  verbs: [create, patch, delete]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [patch, delete]
# That no Service selects a debug pod, and why a DaemonSet makes none.
- apiGroups: [""]
  resources: [services, events]
  verbs: [list]
{{- range (include "breakglass-agent.kinds" . | fromYamlArray) }}
{{- if not (or .cluster (eq .kind "ResourceQuota")) }}
{{ include "breakglass-agent.kindRule" . }}
{{- end }}
{{- end }}
{{- range .Values.ceiling.grantableRules }}
{{- if .resources }}
# ceiling.grantableRules: held, so that it can be granted.
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the agent does outside of namespaces, if the ceiling lists such kinds. */}}
{{- define "breakglass-agent.clusterRules" -}}
{{- $anyRole := false }}
{{- range (include "breakglass-agent.kinds" . | fromYamlArray) }}
{{- if .cluster }}
{{ include "breakglass-agent.kindRule" . }}
{{- if eq .plural "clusterroles" }}{{ $anyRole = true }}{{ end }}
{{- end }}
{{- end }}
{{- range .Values.ceiling.grantableRules }}
{{- if or $anyRole .nonResourceURLs }}
# ceiling.grantableRules: held, so that it can be granted.
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{/* For ceiling.createNamespaces; agent/core/src/namespace/remains.rs lists what is looked at. */}}
{{- define "breakglass-agent.namespaceRules" -}}
# ceiling.createNamespaces. The lists tell whether something foreign is in a namespace before it is removed.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [create, delete]
# A session's ResourceQuota, in a namespace that it made only.
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [create, get, delete]
- apiGroups: [""]
  resources: [replicationcontrollers, persistentvolumeclaims, secrets, configmaps, serviceaccounts, resourcequotas, limitranges]
  verbs: [list]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [list]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [list]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [list]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [list]
{{- end }}

{{/* The rule for one entry of "breakglass-agent.kinds". */}}
{{- define "breakglass-agent.kindRule" -}}
# ceiling.extraKinds: {{ .kind }}
- apiGroups: [{{ .group | quote }}]
  resources: [{{ .plural }}]
  verbs: [create, get, delete]
{{- end }}

{{/* ceiling.extraKinds as [{kind, group, plural, cluster}]; agent/core/src/kinds.rs knows the same of Kubernetes's own. */}}
{{- define "breakglass-agent.kinds" -}}
{{- $own := dict
  "ConfigMap" "" "Secret" "" "PersistentVolumeClaim" "" "Service" "" "ServiceAccount" "" "ResourceQuota" ""
  "LimitRange" "" "Endpoints" "" "Namespace" "" "PersistentVolume" "" "Pod" "" "PodTemplate" ""
  "ReplicationController" "" "DaemonSet" "apps" "Deployment" "apps" "ReplicaSet" "apps" "StatefulSet" "apps"
  "Job" "batch" "CronJob" "batch" "NetworkPolicy" "networking.k8s.io" "Ingress" "networking.k8s.io"
  "PodDisruptionBudget" "policy" "HorizontalPodAutoscaler" "autoscaling" "Lease" "coordination.k8s.io"
  "EndpointSlice" "discovery.k8s.io" "Role" "rbac.authorization.k8s.io" "RoleBinding" "rbac.authorization.k8s.io"
  "ClusterRole" "rbac.authorization.k8s.io" "ClusterRoleBinding" "rbac.authorization.k8s.io"
  "PriorityClass" "scheduling.k8s.io" "StorageClass" "storage.k8s.io" }}
{{- $cluster := list "Namespace" "PersistentVolume" "ClusterRole" "ClusterRoleBinding" "PriorityClass" "StorageClass" }}
{{- $plurals := .Values.plurals }}
{{- range .Values.ceiling.extraKinds }}
{{- $kind := regexReplaceAll "[.].*$" . "" }}
{{- $group := trimPrefix $kind . | trimPrefix "." }}
{{- if not $group }}
{{- if not (hasKey $own $kind) }}
{{- fail (printf "ceiling.extraKinds holds %s, which is no kind of Kubernetes's own; write it with its group, such as %s.example.com" $kind $kind) }}
{{- end }}
{{- $group = get $own $kind }}
{{- end }}
{{- $lower := lower $kind }}
{{- $plural := printf "%ss" $lower }}
{{- if eq $lower "endpoints" }}
{{- $plural = $lower }}
{{- else if regexMatch "(s|x|z|ch|sh)$" $lower }}
{{- $plural = printf "%ses" $lower }}
{{- else if regexMatch "[^aeiou]y$" $lower }}
{{- $plural = regexReplaceAll "y$" $lower "ies" }}
{{- end }}
{{- $plural = get $plurals . | default $plural }}
- {kind: {{ . }}, group: {{ $group | quote }}, plural: {{ $plural }}, cluster: {{ and (hasKey $own .) (has $kind $cluster) }}}
{{- end }}
{{- end }}
