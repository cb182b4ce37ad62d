apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "debug-%s" (.session.name | k8sName) | truncName 63 }}
  namespace: {{ .target.namespace }}
  labels:
    app.kubernetes.io/name: {{ .template.name | lower | quote }}
    breakglass/session: {{ .session.name | trunc 63 | trimSuffix "-" | quote }}
  annotations:
    reason: {{ .session.reason | quote }}
    user: {{ .session.requestedBy | replace "@" "." | squote }}
spec:
  {{- if eq .vars.hostNetwork "true" }}
  hostNetwork: true
  {{- end }}
  restartPolicy: {{ ternary "Never" "Always" (eq .vars.createPVC "false") }}
  containers:
    - name: debug
      image: {{ .vars.image | default "busybox:1.36" }}
      args: {{ splitList " " .vars.extraArgs | toJson }}
      env:
        {{- range $name, $value := .labels }}
        - name: {{ $name | snakecase | upper }}
          value: {{ $value | quote }}
        {{- end }}
      ports:
        {{- range $i, $port := splitList "," .vars.ports }}
        - {name: p{{ $i }}, containerPort: {{ $port | atoi }}}
        {{- end }}
      resources:
        limits:
          cpu: {{ .vars.cpuLimit | default "500m" }}
          memory: {{ .vars.memoryLimit | default "256Mi" }}
      volumeMounts:
        - name: data
          mountPath: {{ .vars.mountPath | default "/data" | quote }}
  volumes:
    - name: data
      persistentVolumeClaim:
        claimName: pvc-{{ .session.name | trunc 20 }}
  nodeSelector: {{- .annotations | toYaml | nindent 4 }}
