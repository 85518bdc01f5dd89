package check

import (
	"slices"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func chartChecks() []Check {
	return []Check{
		{Code: "ChartNotFound", Severity: v1alpha1.SeverityBlocker, Find: charts(chartNotFound)},
		{Code: "ChartUnreachable", Severity: v1alpha1.SeverityBlocker, Find: charts(chartUnreachable)},
		{Code: "ChartDigestMismatch", Severity: v1alpha1.SeverityBlocker, Find: charts(chartDigestMismatch)},
		{Code: "ValuesNotRendering", Severity: v1alpha1.SeverityBlocker, Find: valuesNotRendering},
		{Code: "ValuesNeedDecision", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: valueNotes(v1alpha1.SeverityBlocker)},
		{Code: "ValuesDropped", Severity: v1alpha1.SeverityWarning, Find: valueNotes(v1alpha1.SeverityWarning)},
		{Code: "ValuesUnknown", Severity: v1alpha1.SeverityWarning, Find: valuesUnknown},
	}
}

func charts(find func(snapshot.TargetChart) []Hit) func(Input) []Hit {
	return func(in Input) []Hit {
		out := append(find(in.Snapshot.Target.Chart), find(in.Snapshot.Target.CRDChart)...)
		for _, stop := range in.Snapshot.Stops {
			out = slices.Concat(out, find(stop.Chart), find(stop.CRDChart))
		}
		return out
	}
}

func chartNotFound(c snapshot.TargetChart) []Hit {
	if !c.NotFound {
		return nil
	}
	return one([]string{targetField, c.Ref}, "set spec.target.version (for a stop on the way: spec.target.stops) to a release that the registry has, or spec.target.chart.repository to one that has it",
		"the registry has no %s", c.Ref)
}

func chartUnreachable(c snapshot.TargetChart) []Hit {
	if c.Error == "" || c.NotFound || c.Mismatch {
		return nil
	}
	return one([]string{"spec.target.chart.repository", c.Ref}, "`helm show chart "+withVersion(c.Ref)+"` from a pod of this cluster shows the same error; let the operator's pods reach the registry, or set spec.target.chart.repository to a mirror",
		"%s", c.Error)
}

// withVersion writes a reference as Helm's commands take it.
func withVersion(ref string) string {
	at := strings.LastIndex(ref, ":")
	if at < 0 {
		return ref
	}
	return ref[:at] + " --version " + ref[at+1:]
}

func chartDigestMismatch(c snapshot.TargetChart) []Hit {
	if !c.Mismatch {
		return nil
	}
	return one([]string{"spec.target.chart.digest", c.Ref}, "find out why the chart changed, then set spec.target.chart.digest to the new digest", "%s", c.Error)
}

func valuesNotRendering(in Input) []Hit {
	var out []Hit
	if in.Snapshot.Target.RenderError != "" {
		out = one([]string{"spec.target.values"}, "correct the values of the release, or override them in spec.target.values",
			"the target's chart cannot be rendered with the values that are carried over: %s", in.Snapshot.Target.RenderError)
	}
	for _, stop := range in.Snapshot.Stops {
		if stop.RenderError != "" {
			out = append(out, one([]string{stop.Chart.Ref}, "correct the values of the release",
				"the chart of the stop %s cannot be rendered with the values that are carried over: %s", stop.Version, stop.RenderError)...)
		}
	}
	return out
}

func valuesUnknown(in Input) []Hit {
	if len(in.Snapshot.Target.UnknownValues) == 0 {
		return nil
	}
	return one(in.Snapshot.Target.UnknownValues, "set them to null in spec.target.values once you know what replaced them",
		"the target's chart does not know these values of the release and ignores them without a word: %s", strings.Join(in.Snapshot.Target.UnknownValues, ", "))
}

// valueNotes finds the values of one severity that could not be carried over. Only their keys are told: a value may be a secret.
func valueNotes(severity v1alpha1.Severity) func(Input) []Hit {
	return func(in Input) []Hit {
		var out []Hit
		for _, n := range in.Snapshot.Target.ValueNotes {
			if n.Severity == severity {
				out = append(out, one([]string{n.Key}, n.Fix, "value %s of the release: %s", n.Key, n.Why)...)
			}
		}
		return out
	}
}
