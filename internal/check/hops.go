package check

import (
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
)

// hopChecks look at what changes on the way to the target.
func hopChecks() []Check {
	return []Check{
		{Code: "AlphaSource", Severity: v1alpha1.SeverityBlocker, Find: alphaSource},
		{Code: "ConversionImpossible", Severity: v1alpha1.SeverityBlocker, Find: losses(convert.Blocker)},
		{Code: "ConversionChanges", Severity: v1alpha1.SeverityWarning, Find: losses(convert.Warning)},
		{Code: "ConversionNote", Severity: v1alpha1.SeverityInfo, Find: losses(convert.Info)},
		{Code: "KubeletUndecided", Severity: v1alpha1.SeverityBlocker, Find: kubeletUndecided},
		{Code: "KubeletMoves", Severity: v1alpha1.SeverityWarning, Find: kubeletMoves},
		{Code: "KeepWouldDrift", Severity: v1alpha1.SeverityBlocker, Waivable: true, Find: keepWouldDrift},
		{Code: "PointOfNoReturn", Severity: v1alpha1.SeverityInfo, Find: pointOfNoReturn},
	}
}

// firstBeta is the first release that knows NodePools alone: 0.32 has Provisioners beside them, which may be in use.
var firstBeta = semver.New(0, 33, 0, "", "")

// alphaSource refuses to walk what can only be planned yet.
func alphaSource(in Input) []Hit {
	source := in.source()
	if source == nil {
		return nil
	}
	version, err := semver.NewVersion(source.Version)
	if err != nil || !version.LessThan(firstBeta) {
		return nil
	}
	return one([]string{fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name)},
		fmt.Sprintf("upgrade to 0.32, create NodePools and EC2NodeClasses, roll the nodes, delete the Provisioners, and upgrade to %s by hand, as the upgrade guides of 0.32 and 0.33 say; then this run goes on from there", firstBeta),
		"it runs %s, which knows Provisioners: the way from there is planned, and this operator does not walk the part that ends with the last of them", source.Version)
}

// losses are what does not survive the conversion from v1beta1 to v1.
func losses(severity convert.Severity) func(Input) []Hit {
	return func(in Input) []Hit {
		var out []Hit
		for _, l := range in.Snapshot.Losses {
			if l.Severity == severity {
				out = append(out, Hit{Objects: []string{l.Object}, Why: l.Field + ": " + l.Why, Fix: l.Fix})
			}
		}
		return out
	}
}

// kubelet is what becomes of kubelet settings in NodePools, which Karpenter from 1.1 on does not read (1.1 to 1.5 do not even start
// with the annotation in which 1.0 keeps them: pkg/operator/operator.go of the provider).
func kubelet(in Input) ([]convert.KubeletMove, []convert.Loss, error) {
	source := in.source()
	if source == nil || !plan.LeavesBeta(source.Version, in.Spec.Target.Version) {
		return nil, nil, nil
	}
	return convert.MoveKubelet(in.Snapshot.NodePools, in.Snapshot.NodeClasses)
}

func kubeletUndecided(in Input) []Hit {
	_, lost, err := kubelet(in)
	if err != nil {
		return one([]string{"NodePools"}, "correct the object that the error names, or write the settings into spec.kubelet of its EC2NodeClass and remove the annotation "+convert.AnnotationKubelet,
			"it cannot be decided where kubelet settings of NodePools move to, and Karpenter from 1.1 on does not read them where they are: %v", err)
	}
	out := make([]Hit, 0, len(lost))
	for _, l := range lost {
		if l.Severity == convert.Blocker {
			out = append(out, Hit{Objects: []string{l.Object}, Why: l.Field + ": " + l.Why, Fix: l.Fix})
		}
	}
	return out
}

func kubeletMoves(in Input) []Hit {
	moves, _, err := kubelet(in)
	if err != nil || len(moves) == 0 || in.Spec.Nodes == v1alpha1.NodesKeep { // see keepWouldDrift
		return nil
	}
	var objects []string
	for _, m := range moves {
		objects = append(objects, fmt.Sprintf("NodePool/%s (to EC2NodeClass/%s)", m.NodePool, m.NodeClass))
	}
	return one(objects, "move them in Git too: into spec.kubelet of the EC2NodeClass, and out of the NodePool",
		"their kubelet settings are moved to the EC2NodeClass, for Karpenter from 1.1 on does not read them where they are; nodes drift by that, and stay frozen until the run ends")
}

// keepWouldDrift refuses to promise that nodes stay which Karpenter replaces as soon as they are not frozen any more.
func keepWouldDrift(in Input) []Hit {
	if in.Spec.Nodes != v1alpha1.NodesKeep {
		return nil
	}
	var out []Hit
	for _, h := range tagChangesSelection(in) {
		out = append(out, Hit{
			Objects: h.Objects, Why: "spec.nodes is Keep, and Karpenter would replace nodes when the run ends: " + h.Why,
			Fix: "leave out spec.aws, or set spec.nodes: Replace",
		})
	}
	moves, _, err := kubelet(in)
	if err != nil || len(moves) == 0 {
		return out
	}
	var objects []string
	for _, m := range moves {
		objects = append(objects, "NodePool/"+m.NodePool)
	}
	return append(out, one(objects, "set spec.nodes: Replace, or move the settings into spec.kubelet of the EC2NodeClass before the run",
		"spec.nodes is Keep, and the run has to move their kubelet settings to the EC2NodeClass: Karpenter would replace their nodes for that when the run ends")...)
}

// pointOfNoReturn says from where on a rollback does not lead back to the version that runs now.
func pointOfNoReturn(in Input) []Hit {
	source := in.source()
	if source == nil {
		return nil
	}
	var out []Hit
	for _, h := range in.Plan.Hops {
		if h.PointOfNoReturn != "" && h.RollbackTo != source.Version {
			out = append(out, one([]string{"hop to " + h.Version}, "say yes to it before you set spec.mode: Run; the plan has a backup of all that it changes",
				"%s; a rollback from there ends at %s", h.PointOfNoReturn, orNothing(h.RollbackTo))...)
		}
	}
	return out
}

func orNothing(version string) string {
	if version == "" {
		return "no version: there is no way back"
	}
	return version
}
