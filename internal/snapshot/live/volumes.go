package live

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// zoneKeys are the keys by which volumes name the zones that can reach them: Kubernetes', and that of the EBS CSI driver.
var zoneKeys = []string{corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone, "topology.ebs.csi.aws.com/zone"}

// volumes reads the PersistentVolumes that pods mount and that not every node can reach. A volume names the claim that it is bound
// to, so the claims need not be read.
func (r *Reader) volumes(ctx context.Context, _ *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
	mounted := map[[2]string]bool{}
	for i := range s.Pods {
		for _, claim := range s.Pods[i].Claims {
			mounted[[2]string{s.Pods[i].Namespace, claim}] = true
		}
	}
	if len(mounted) == 0 {
		return nil
	}
	var list corev1.PersistentVolumeList
	return r.pages(ctx, &list, func() {
		for i := range list.Items {
			ref := list.Items[i].Spec.ClaimRef
			if ref == nil || !mounted[[2]string{ref.Namespace, ref.Name}] {
				continue
			}
			if v := volume(&list.Items[i]); len(v.Zones) > 0 || len(v.Hosts) > 0 {
				s.Volumes = append(s.Volumes, v)
			}
		}
		list.Items = nil
	})
}

func volume(pv *corev1.PersistentVolume) snapshot.Volume {
	out := snapshot.Volume{Namespace: pv.Spec.ClaimRef.Namespace, Claim: pv.Spec.ClaimRef.Name, Name: pv.Name}
	if a := pv.Spec.NodeAffinity; a != nil && a.Required != nil {
		out.Zones = reach(a.Required.NodeSelectorTerms, zoneKeys...)
		out.Hosts = reach(a.Required.NodeSelectorTerms, corev1.LabelHostname)
	}
	for _, key := range zoneKeys {
		if zones := pv.Labels[key]; zones != "" && len(out.Zones) == 0 {
			out.Zones = strings.Split(zones, "__") // so the scheduler reads it (pkg/scheduler/framework/plugins/volumezone)
			slices.Sort(out.Zones)
		}
	}
	return out
}

// reach are the values of labels from which a volume can be reached, sorted; none where one of its terms does not name them.
func reach(terms []corev1.NodeSelectorTerm, keys ...string) []string {
	var out []string
	for i := range terms {
		named := false
		for _, e := range terms[i].MatchExpressions {
			if e.Operator == corev1.NodeSelectorOpIn && slices.Contains(keys, e.Key) {
				out, named = append(out, e.Values...), true
			}
		}
		if !named {
			return nil
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
