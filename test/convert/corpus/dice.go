package corpus

import (
	"fmt"
	"math/rand/v2"
)

// dice throws specs that are valid as v1beta1.
type dice struct{ *rand.Rand }

// maybe sets a field half of the time.
func (d dice) maybe(m map[string]any, name string, value func() any) {
	if d.IntN(2) == 0 {
		m[name] = value()
	}
}

func (d dice) one(of ...any) any { return of[d.IntN(len(of))] }

// strings are up to three pairs.
func (d dice) strings(prefix string) map[string]string {
	out := map[string]string{}
	for i := range d.IntN(4) {
		out[fmt.Sprintf("%skey-%d", prefix, i)] = fmt.Sprintf("value-%d", d.IntN(1000))
	}
	return out
}

func (d dice) pairs(prefix string) any {
	out := map[string]any{}
	for k, v := range d.strings(prefix) {
		out[k] = v
	}
	return out
}

func (d dice) duration() any {
	return d.one("Never", fmt.Sprintf("%ds", d.IntN(5000)), fmt.Sprintf("%dm", 1+d.IntN(5000)), fmt.Sprintf("%dh", 1+d.IntN(2000)), fmt.Sprintf("%dh%dm%ds", d.IntN(90), d.IntN(90), d.IntN(90)))
}

func (d dice) quantity() any {
	return d.one(int64(d.IntN(100000)), fmt.Sprintf("%dm", d.IntN(100000)), fmt.Sprintf("%dGi", d.IntN(5000)), fmt.Sprintf("%d.5Gi", d.IntN(500)), fmt.Sprintf("%dk", d.IntN(5000)), fmt.Sprintf("%de3", d.IntN(100)), "0")
}

func (d dice) pool() map[string]any {
	spec, template, inner := map[string]any{}, map[string]any{}, map[string]any{}
	d.maybe(spec, "weight", func() any { return int64(1 + d.IntN(100)) })
	d.maybe(spec, "limits", func() any {
		limits := map[string]any{}
		for _, name := range []string{"cpu", "memory", "nvidia.com/gpu"} {
			d.maybe(limits, name, d.quantity)
		}
		return limits
	})
	d.maybe(spec, "disruption", d.disruption)
	d.maybe(template, "metadata", func() any {
		return map[string]any{"labels": d.pairs("example.com/"), "annotations": d.pairs("example.com/")}
	})
	d.maybe(inner, "taints", d.taints)
	d.maybe(inner, "startupTaints", d.taints)
	d.maybe(inner, "requirements", d.requirements)
	d.maybe(inner, "kubelet", d.kubelet)
	d.maybe(inner, "nodeClassRef", func() any {
		ref := map[string]any{"name": d.one("default", "other")}
		d.maybe(ref, "kind", func() any { return d.one("EC2NodeClass", "EC2NodeClass", "Other") })
		d.maybe(ref, "apiVersion", func() any { return d.one("karpenter.k8s.aws/v1beta1", "karpenter.k8s.aws/v1", "example.com/v2") })
		return ref
	})
	template["spec"] = inner
	spec["template"] = template
	return spec
}

func (d dice) disruption() any {
	out := map[string]any{}
	d.maybe(out, "expireAfter", d.duration)
	if d.IntN(2) == 0 {
		out["consolidationPolicy"], out["consolidateAfter"] = "WhenEmpty", d.duration()
	} else {
		d.maybe(out, "consolidationPolicy", func() any { return "WhenUnderutilized" })
	}
	d.maybe(out, "budgets", func() any {
		n := d.IntN(4)
		budgets := make([]any, 0, n)
		for range n {
			budget := map[string]any{"nodes": d.one("0", "10%", "100%", fmt.Sprint(d.IntN(50)))}
			if d.IntN(2) == 0 {
				budget["schedule"] = d.one("@daily", "*/5 * * * *", "0 0 1 1 sun")
				budget["duration"] = d.one("90m", "1h", "24h", "10m", "1h5m")
			}
			budgets = append(budgets, budget)
		}
		return budgets
	})
	return out
}

func (d dice) taints() any {
	n := d.IntN(3)
	out := make([]any, 0, n)
	for i := range n {
		taint := map[string]any{"key": fmt.Sprintf("key-%d", i), "effect": d.one("NoSchedule", "NoExecute", "PreferNoSchedule")}
		d.maybe(taint, "value", func() any { return d.one("a", "b") })
		out = append(out, taint)
	}
	return out
}

func (d dice) requirements() any {
	n := d.IntN(5)
	out := make([]any, 0, n)
	for i := range n {
		key := fmt.Sprintf("example.com/key-%d", i)
		out = append(out, d.one(
			map[string]any{"key": key, "operator": "Exists"},
			map[string]any{"key": key, "operator": "DoesNotExist", "values": []any{}},
			map[string]any{"key": key, "operator": "In", "values": []any{"a", "b", "c"}, "minValues": int64(1 + d.IntN(3))},
			map[string]any{"key": key, "operator": "NotIn", "values": []any{"a"}},
			map[string]any{"key": key, "operator": d.one("Gt", "Lt"), "values": []any{fmt.Sprint(d.IntN(100))}},
		))
	}
	return out
}

func (d dice) kubelet() any {
	out := map[string]any{}
	number := func(below int) func() any { return func() any { return int64(d.IntN(below)) } }
	d.maybe(out, "maxPods", number(250))
	d.maybe(out, "podsPerCore", number(20))
	d.maybe(out, "evictionMaxPodGracePeriod", number(600))
	d.maybe(out, "imageGCLowThresholdPercent", number(50))
	d.maybe(out, "imageGCHighThresholdPercent", func() any { return int64(50 + d.IntN(51)) })
	d.maybe(out, "cpuCFSQuota", func() any { return d.one(true, false) })
	d.maybe(out, "clusterDNS", func() any { return d.one([]any{"10.0.0.10"}, []any{}, []any{"fd00::10", "10.0.0.10"}) })
	for _, name := range []string{"systemReserved", "kubeReserved"} {
		d.maybe(out, name, func() any {
			reserved := map[string]any{}
			d.maybe(reserved, "memory", func() any { return d.one("100Mi", "1Gi") })
			d.maybe(reserved, "cpu", func() any { return d.one("100m", "1") })
			return reserved
		})
	}
	d.maybe(out, "evictionHard", func() any {
		return d.one(map[string]any{"memory.available": "5%"}, map[string]any{"nodefs.available": "1Gi", "pid.available": "10%"})
	})
	if d.IntN(2) == 0 {
		out["evictionSoft"] = map[string]any{"memory.available": d.one("5%", "500Mi")}
		out["evictionSoftGracePeriod"] = map[string]any{"memory.available": d.one("90s", "1m", "1h0m1s")}
	}
	return out
}

func (d dice) class() map[string]any {
	spec := map[string]any{"amiFamily": d.one("AL2", "AL2023", "Bottlerocket", "Ubuntu", "Custom", "Windows2019", "Windows2022")}
	if spec["amiFamily"] == "Custom" || d.IntN(2) == 0 {
		spec["amiSelectorTerms"] = d.terms("ami-0123456789abcdef0", "name", "owner")
	}
	d.maybe(spec, "subnetSelectorTerms", func() any { return d.terms("subnet-0123456789abcdef0") })
	d.maybe(spec, "securityGroupSelectorTerms", func() any { return d.terms("sg-0123456789abcdef0") })
	d.maybe(spec, "associatePublicIPAddress", func() any { return d.one(true, false) })
	d.maybe(spec, "detailedMonitoring", func() any { return d.one(true, false) })
	d.maybe(spec, "instanceStorePolicy", func() any { return "RAID0" })
	d.maybe(spec, "context", func() any { return d.one("", "x") })
	d.maybe(spec, "userData", func() any { return d.one("", "#!/bin/bash\necho '<&>'\n", "[settings]\n") })
	d.maybe(spec, "tags", func() any { return d.pairs("example.com/") })
	if d.IntN(3) == 0 {
		spec["role"], spec["instanceProfile"] = nil, "profile"
	}
	d.maybe(spec, "metadataOptions", func() any {
		options := map[string]any{}
		d.maybe(options, "httpEndpoint", func() any { return d.one("enabled", "disabled") })
		d.maybe(options, "httpProtocolIPv6", func() any { return d.one("enabled", "disabled") })
		d.maybe(options, "httpTokens", func() any { return d.one("required", "optional") })
		d.maybe(options, "httpPutResponseHopLimit", func() any { return int64(1 + d.IntN(64)) })
		return options
	})
	d.maybe(spec, "blockDeviceMappings", d.volumes)
	return spec
}

// terms are selector terms that are valid in all versions: with an id, or with tags and some of these fields.
func (d dice) terms(id string, fields ...string) any {
	n := 1 + d.IntN(3)
	out := make([]any, 0, n)
	for i := range n {
		if d.IntN(3) == 0 {
			out = append(out, map[string]any{"id": id})
			continue
		}
		term := map[string]any{"tags": map[string]any{fmt.Sprintf("key-%d", i): d.one("*", "value")}}
		for _, name := range fields {
			d.maybe(term, name, func() any { return d.one("amazon", "self") })
		}
		out = append(out, term)
	}
	return out
}

func (d dice) volumes() any {
	n := d.IntN(3)
	out := make([]any, 0, n)
	for i := range n {
		volume := map[string]any{"volumeSize": fmt.Sprintf("%d%s", 1+d.IntN(9), d.one("Gi", "G", "Ti", "T", "00Gi", "024Gi", "000G"))}
		d.maybe(volume, "volumeType", func() any { return d.one("gp2", "gp3", "io1") })
		d.maybe(volume, "encrypted", func() any { return d.one(true, false) })
		d.maybe(volume, "deleteOnTermination", func() any { return d.one(true, false) })
		d.maybe(volume, "iops", func() any { return int64(3000) })
		d.maybe(volume, "throughput", func() any { return int64(125) })
		mapping := map[string]any{"deviceName": fmt.Sprintf("/dev/xvd%c", 'a'+i), "ebs": volume}
		d.maybe(mapping, "rootVolume", func() any { return i == 0 })
		out = append(out, mapping)
	}
	return out
}
