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

{{/* "true" if a namespace of the ceiling has a wildcard, so that no Role per namespace can be made. */}}
{{- define "breakglass-agent.anyNamespace" -}}
{{- $any := "" -}}
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
{{- end }}
