package values

// rules are what changed in the values of Karpenter's chart, oldest first. What is not here is the same at all versions.
//
// Explicit values of settings whose default changed (dnsPolicy at 0.34, the zone's topologySpreadConstraints at 1.0, gates of
// features) are kept: they were somebody's choice and mean the same as before.
var rules = []rule{
	{since: version(0, 26, 0), source: "P@v0.26.1:charts/karpenter/values.yaml; UG 0.26", apply: imageOfOneString},
	{since: version(0, 28, 0), source: "P@v0.28.1:charts/karpenter/values.yaml; UG 0.28", apply: extraObjects},
	{since: version(0, 28, 0), source: "UG 0.28", apply: nodeNameConvention},
	{since: version(0, 28, 0), source: "P@v0.28.1:charts/karpenter/values.yaml; UG 0.28, 0.29", apply: metricsPort(8080)},
	{since: version(0, 30, 0), source: "P@v0.30.0:charts/karpenter/values.yaml; UG 0.30", apply: fsGroup(1000)},
	{since: version(0, 30, 0), source: "P@v0.30.0:charts/karpenter/templates/deployment.yaml; UG 0.30", apply: securityContext},
	{since: version(0, 32, 0), source: "P@v0.32.10:website/content/en/v0.32/upgrading/v1beta1-migration.md, Helm Values", apply: settingsMoved},
	{since: version(0, 32, 0), source: "P@v0.31.5, v0.32.0:charts/karpenter/templates/configmap-logging.yaml", apply: loggingMoved},
	{since: version(0, 32, 0), source: "P@v0.32.0:charts/karpenter/values.yaml, affinity", apply: bothNodeLabels},
	{since: version(0, 33, 0), source: "P@v0.33.0:charts/karpenter/values.yaml; P@v0.32.10:pkg/apis/settings, its last reader", apply: settingsDropped},
	{since: version(0, 33, 0), source: "P@v0.33.0:charts/karpenter/values.yaml, logConfig.enabled", apply: loggingOptIn},
	{since: version(0, 33, 0), source: "P@v0.33.0:charts/karpenter/values.yaml, affinity", apply: nodePoolLabelOnly},
	{when: conversionBegins, source: "P@v0.33.6, v0.34.7, v0.35.6, v0.36.3, v0.37.1:charts/karpenter-crd/values.yaml; V1M", apply: webhookOn},
	{since: version(0, 36, 0), source: "P@v0.34.0, v0.36.0:charts/karpenter/values.yaml", apply: fsGroup(65536)},
	{since: version(1, 0, 0), source: "P@v1.0.0:charts/karpenter/values.yaml", apply: metricsPort(8000)},
	{since: version(1, 0, 0), source: "P@v1.0.0:charts/karpenter/values.yaml, pkg/operator/options", apply: assumeRole},
	{since: version(1, 0, 0), source: "P@v1.0.0:charts/karpenter/values.yaml; C@v1.0.5:pkg/operator/options", apply: drift},
	{since: version(1, 0, 0), source: "P@v1.0.0:charts/karpenter/values.yaml; C@v1.0.5:pkg/operator/logging", apply: loggingFlat},
	{since: version(1, 0, 0), source: "C@v0.36.2, v1.0.5:pkg/operator/options", apply: leaderElection},
	{since: version(1, 0, 1), source: "P@v1.0.0, v1.0.1:charts/karpenter/values.yaml", apply: dropped("postInstallHook")},
	{since: version(1, 1, 0), source: "P@v1.1.0:charts/karpenter/values.yaml; C@v1.14.1:pkg/operator/options", apply: webhookGone},
	{since: version(1, 8, 1), source: "P@v1.8.0, v1.8.1:charts/karpenter/values.yaml", apply: func(t *translation) {
		t.move("settings.featureGates.StaticCapacity", "settings.featureGates.staticCapacity")
	}},
}

// dropped takes out a value that has no meaning any more, and whose loss changes nothing.
func dropped(path string) func(*translation) {
	return func(t *translation) { remove(t.values, path) }
}
