{{- define "kuo.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "kuo.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kuo.labels" -}}
{{ include "kuo.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "kuo.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "kuo.fullname" .) }}
{{- end }}

{{- define "kuo.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The names that Karpenter's chart gives to the cluster-wide objects of a release, for both releases of a run. */}}
{{- define "kuo.karpenterFullnames" -}}
{{- $release := .Values.karpenter.release }}
{{- $green := printf "%s-green" ($release | trunc 47) }}
{{- range list $release $green }}
{{- $full := ternary . (printf "%s-karpenter" .) (contains "karpenter" .) }}
- {{ $full }}
{{- end }}
{{- with .Values.karpenter.fullnameOverride }}
- {{ . | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
