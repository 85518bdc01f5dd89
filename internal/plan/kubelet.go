package plan

import (
	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/convert"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// firstWithoutBeta is the first release that neither serves v1beta1 nor reads the kubelet settings of NodePools, which were v1beta1's
// (sigs.k8s.io/karpenter v1.1: pkg/apis/v1 without its conversion).
var firstWithoutBeta = semver.New(1, 1, 0, "", "")

// ServesBeta says that a release serves v1beta1, or what was before it, and reads the kubelet settings of NodePools: of their spec up
// to 0.37, of an annotation in 1.0.
func ServesBeta(version string) bool {
	v, err := semver.NewVersion(version)
	return err == nil && v.LessThan(firstWithoutBeta)
}

// LeavesBeta says that a way leaves the releases that serve v1beta1. Before it does, every object has to be stored as v1, and kubelet
// settings have to stand in the EC2NodeClasses.
func LeavesBeta(from, to string) bool {
	_, err := semver.NewVersion(to)
	return err == nil && ServesBeta(from) && !ServesBeta(to)
}

// settled is the cluster as it will be when the last hop begins: EC2NodeClasses are split for NodePools that share one and
// differ in their kubelet settings. What keeps that from being decided is a finding of its own, and then nothing is split.
func settled(s *snapshot.Snapshot, from, to string) *snapshot.Snapshot {
	if !LeavesBeta(from, to) {
		return s
	}
	moves, _, err := convert.MoveKubelet(s.NodePools, s.NodeClasses)
	if err != nil {
		return s
	}
	out := *s
	out.NodePools, out.Splits = make([]unstructured.Unstructured, 0, len(s.NodePools)), map[string]string{}
	for i := range s.NodePools {
		p := s.NodePools[i].DeepCopy()
		for _, m := range moves {
			if m.NodePool != p.GetName() || m.CopyOf == "" {
				continue
			}
			out.Splits[m.NodeClass] = m.CopyOf
			_ = unstructured.SetNestedField(p.Object, m.NodeClass, "spec", "template", "spec", "nodeClassRef", "name") // it was read there
		}
		out.NodePools = append(out.NodePools, *p)
	}
	return &out
}
