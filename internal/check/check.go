// Package check finds, in a snapshot of a cluster, what will bite an upgrade. Checks are pure: they see a snapshot and a plan
// and return findings; all of them run, none stops another.
package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// Input is what checks look at. Plan is nil when there can be none; Refusal then says why.
type Input struct {
	Snapshot *snapshot.Snapshot
	Spec     *v1alpha1.KarpenterUpgradeSpec
	Plan     *v1alpha1.Plan
	Refusal  *plan.Refusal
	Catalog  *catalog.Catalog

	memo *memo
}

// Check looks for one kind of trouble.
type Check struct {
	// Code identifies what it finds. It is part of the API: waivers and runbooks name it.
	Code string
	// Severity of what it finds.
	Severity v1alpha1.Severity
	// Waivable says of a Blocker that a run can go on in spite of it. What is no Blocker can always be waived.
	Waivable bool
	// Find returns one finding for each way in which the trouble shows. It never fails: what could not be read is in the
	// snapshot's Problems and has a check of its own.
	Find func(Input) []Hit
}

// Hit is one way in which a trouble shows.
type Hit struct {
	// Objects it is about, as Kind/name or Kind/namespace/name, or a field of the spec.
	Objects []string
	// Why it matters for this run, and the Fix: a command or a change.
	Why, Fix string
}

// maxObjects is how many objects a finding names; the rest are counted.
const maxObjects = 20

// All are the checks, in the order in which findings of one severity are shown.
func All() []Check {
	return slices.Concat(readChecks(), planChecks(), hopChecks(), releaseChecks(), versionChecks(), chartChecks(), crdChecks(), nodePoolChecks(), nodeChecks(), migrationChecks(), betaChecks(), gitOpsChecks(), moveChecks(), awsChecks(), runChecks(),
		nodeClassChecks(), controllerChecks(), controllerPlaceChecks(), webhookChecks(), claimChecks(), iamChecks(), networkChecks())
}

// Run runs all checks and returns their findings, worst first; of one severity, those that are waived come last.
func Run(in Input) []v1alpha1.Finding {
	in.memo = &memo{}
	var out []v1alpha1.Finding
	w := waiversOf(in)
	for _, c := range All() {
		for _, h := range c.Find(in) {
			out = append(out, w.findings(c, h)...)
		}
	}
	for _, h := range w.useless() {
		out = append(out, finding(waiverCheck, h))
	}
	slices.SortStableFunc(out, func(a, b v1alpha1.Finding) int { return cmp.Compare(rank(&a), rank(&b)) })
	return out
}

// Blocked says that a finding stops the run.
func Blocked(findings []v1alpha1.Finding) bool {
	return slices.ContainsFunc(findings, func(f v1alpha1.Finding) bool { return f.Blocks() })
}

func finding(c Check, h Hit) v1alpha1.Finding {
	code := c.Code
	f := v1alpha1.Finding{Code: code, Severity: c.Severity, Objects: h.Objects, Why: v1alpha1.Truncate(h.Why), Fix: v1alpha1.Truncate(h.Fix)}
	if n := len(f.Objects); n > maxObjects {
		f.Objects = append(slices.Clone(f.Objects[:maxObjects-1]), fmt.Sprintf("and %d more", n-maxObjects+1))
	}
	f.Objects = slices.Clone(f.Objects)
	for i := range f.Objects {
		f.Objects[i] = v1alpha1.Truncate(f.Objects[i])
	}
	return f
}

func rank(f *v1alpha1.Finding) int {
	r := 2 * slices.Index([]v1alpha1.Severity{v1alpha1.SeverityBlocker, v1alpha1.SeverityWarning, v1alpha1.SeverityInfo}, f.Severity)
	if f.Waived != "" {
		r++
	}
	return r
}

func one(objects []string, fix, why string, args ...any) []Hit {
	return []Hit{{Objects: objects, Why: fmt.Sprintf(why, args...), Fix: fix}}
}

// source is the installation to upgrade; nil when there is no plan.
func (in Input) source() *snapshot.Installation {
	if in.Plan == nil {
		return nil
	}
	source, _ := plan.Source(in.Snapshot, in.Spec)
	return source
}
