package values

import (
	"k8s.io/apimachinery/pkg/runtime"
)

// asideKey is where the update strategy of a release stands while it has another one. No chart of Karpenter knows it.
const asideKey = "karpenterUpgradeOperator"

// strategyKey is the update strategy of the Deployment in Karpenter's chart.
const strategyKey = "strategy"

// Surging are values with which the pods of a new version come before old ones go. The release's own update strategy stands aside.
func Surging(given map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(orEmpty(given))
	if Surges(out) {
		return out
	}
	aside := map[string]any{}
	if own, there := out[strategyKey]; there {
		aside[strategyKey] = own
	}
	out[asideKey] = aside
	out[strategyKey] = map[string]any{
		"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": int64(0), "maxSurge": int64(1)},
	}
	return out
}

// Surges says that values were made by Surging.
func Surges(given map[string]any) bool {
	_, there := given[asideKey].(map[string]any)
	return there
}

// Settled are values as they were before Surging.
func Settled(given map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(orEmpty(given))
	aside, there := out[asideKey].(map[string]any)
	if !there {
		return out
	}
	delete(out, asideKey)
	delete(out, strategyKey)
	if own, had := aside[strategyKey]; had {
		out[strategyKey] = own
	}
	return out
}
