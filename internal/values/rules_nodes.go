package values

import "slices"

// Labels of the nodes that Karpenter launched, up to 0.31 and from 0.32 on; 0.32 had both kinds.
const (
	provisionerLabel = "karpenter.sh/provisioner-name"
	nodePoolLabel    = "karpenter.sh/nodepool"
)

// bothNodeLabels keeps Karpenter off the nodes of NodePools as well where it is kept off those of Provisioners.
func bothNodeLabels(t *translation) {
	nodeExpressions(t.values, func(list []any) []any {
		if !slices.ContainsFunc(list, keepsOff(provisionerLabel)) || slices.ContainsFunc(list, keepsOff(nodePoolLabel)) {
			return list
		}
		return append(slices.Clone(list), offNodePools())
	})
}

// nodePoolLabelOnly puts the label that nodes have where the one stands that they have no longer.
func nodePoolLabelOnly(t *translation) {
	bothNodeLabels(t)
	nodeExpressions(t.values, func(list []any) []any {
		list = slices.DeleteFunc(slices.Clone(list), keepsOff(provisionerLabel))
		for _, e := range mappings(list) {
			if e["key"] == provisionerLabel {
				e["key"] = nodePoolLabel
				t.namesProvisioners("affinity")
			}
		}
		return list
	})
	if selector, ok := t.values["nodeSelector"].(map[string]any); ok {
		if v, ok := selector[provisionerLabel]; ok {
			delete(selector, provisionerLabel)
			selector[nodePoolLabel] = v
			t.namesProvisioners("nodeSelector")
		}
	}
	for _, key := range []string{"affinity", "topologySpreadConstraints"} {
		renameTopology(t.values[key])
	}
}

func (t *translation) namesProvisioners(path string) {
	t.warn(path, "it selects nodes by karpenter.sh/provisioner-name, which no node has from 0.33 on, and is carried over as karpenter.sh/nodepool",
		"see that the names in it are those of NodePools, and that such nodes exist, or Karpenter's pods stay Pending")
}

func keepsOff(label string) func(any) bool {
	return func(e any) bool {
		m, ok := e.(map[string]any)
		return ok && m["key"] == label && m["operator"] == "DoesNotExist"
	}
}

func offNodePools() map[string]any {
	return map[string]any{"key": nodePoolLabel, "operator": "DoesNotExist"}
}

// nodeExpressions changes each list of expressions by which affinity selects nodes.
func nodeExpressions(values map[string]any, change func([]any) []any) {
	required, _ := get(values, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms")
	terms := mappings(required)
	preferred, _ := get(values, "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution")
	for _, p := range mappings(preferred) {
		if term, ok := p["preference"].(map[string]any); ok {
			terms = append(terms, term)
		}
	}
	for _, term := range terms {
		if list, ok := term["matchExpressions"].([]any); ok {
			term["matchExpressions"] = change(list)
		}
	}
}

// renameTopology spreads by the label that nodes have.
func renameTopology(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["topologyKey"] == provisionerLabel {
			v["topologyKey"] = nodePoolLabel
		}
		for _, below := range v {
			renameTopology(below)
		}
	case []any:
		for _, e := range v {
			renameTopology(e)
		}
	}
}
