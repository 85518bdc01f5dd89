package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// nodeChecks are about nodes, their NodeClaims and their NodePools.
func nodeChecks() []Check {
	return slices.Concat([]Check{
		{Code: "NodesDrifted", Severity: v1alpha1.SeverityInfo, Find: nodesDrifted},
		{Code: "DriftWillRoll", Severity: v1alpha1.SeverityWarning, Find: driftWillRoll},
		{Code: "TerminatingStuck", Severity: v1alpha1.SeverityWarning, Find: terminatingStuck},
		{Code: "NodePoolTerminating", Severity: v1alpha1.SeverityWarning, Find: nodePoolTerminating},
		{Code: "LaunchFailing", Severity: v1alpha1.SeverityWarning, Find: launchFailing},
		{Code: "NodeRegistrationUnhealthy", Severity: v1alpha1.SeverityWarning, Find: nodeRegistrationUnhealthy},
		{Code: "LimitsTooLow", Severity: v1alpha1.SeverityWarning, Find: limitsTooLow},
		{Code: "NodeDefaultsChange", Severity: v1alpha1.SeverityWarning, Find: nodeDefaultsChange},
	}, expiryChecks())
}

// claims are the NodeClaims of Karpenter's AWS provider. Those of a NodePool that is not there any more are in: their nodes go.
func (in Input) claims() []*snapshot.NodeClaim {
	foreign := map[string]bool{}
	for i := range in.Snapshot.NodePools {
		if p := &in.Snapshot.NodePools[i]; !plan.Managed(p) {
			foreign[p.GetName()] = true
		}
	}
	out := make([]*snapshot.NodeClaim, 0, len(in.Snapshot.NodeClaims))
	for i := range in.Snapshot.NodeClaims {
		if c := &in.Snapshot.NodeClaims[i]; !foreign[c.NodePool] {
			out = append(out, c)
		}
	}
	return out
}

// drifted are the NodeClaims that have drifted, or will as soon as Karpenter looks, for their hash is another than that of their NodePool
// or EC2NodeClass: those whose nodes the run replaces, and the others.
func (in Input) drifted() (moved, others []*snapshot.NodeClaim) {
	const classHash = "karpenter.k8s.aws/ec2nodeclass-hash"
	pools, classes := hashesOf(in.Snapshot.NodePools, "karpenter.sh/nodepool-hash"), hashesOf(in.Snapshot.NodeClasses, classHash)
	blue := in.bluePools()
	for _, c := range in.claims() {
		pool, known := pools[c.NodePool]
		class, knownClass := classes[c.NodeClass]
		if !c.Deleted.IsZero() || (!c.Drifted() && (!known || !c.PoolHash.Differs(pool)) && (!knownClass || !c.ClassHash.Differs(class))) {
			continue
		}
		if blue[c.NodePool] && in.replaces() {
			moved = append(moved, c)
		} else {
			others = append(others, c)
		}
	}
	return moved, others
}

// hashesOf are the hashes that Karpenter stamped on NodePools or NodeClasses, by name.
func hashesOf(all []unstructured.Unstructured, annotation string) map[string]snapshot.Hash {
	out := map[string]snapshot.Hash{}
	for i := range all {
		a := all[i].GetAnnotations()
		out[all[i].GetName()] = snapshot.Hash{Value: a[annotation], Version: a[annotation+"-version"]}
	}
	return out
}

// nodesDrifted says what drift there was before: whoever looks at drift after the new controller has begun compares with that.
func nodesDrifted(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	moved, _ := in.drifted()
	if len(moved) == 0 {
		return nil
	}
	return one(claimNames(moved), "nothing: the run replaces them with the others", "%s of %s have drifted before anything was changed (%s)",
		fmt.Sprint(len(moved)), plural(int(in.Plan.Nodes), "node"), byPool(moved))
}

func driftWillRoll(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	_, others := in.drifted()
	if len(others) == 0 {
		return nil
	}
	return one(claimNames(others), "let Karpenter replace them before the run (kubectl get nodeclaims -w), or bound it by spec.disruption.budgets of their NodePools",
		"they have drifted and the run leaves their nodes where they are: when it ends, and takes its marks off the nodes, Karpenter replaces them, within the budgets of their NodePools (%s)", byPool(others))
}

func claimNames(claims []*snapshot.NodeClaim) []string {
	out := make([]string, 0, len(claims))
	for _, c := range claims {
		out = append(out, "NodeClaim/"+c.Name)
	}
	return out
}

// byPool counts NodeClaims by their NodePool, the most first.
func byPool(claims []*snapshot.NodeClaim) string {
	counts := map[string]int{}
	for _, c := range claims {
		counts[c.NodePool]++
	}
	names := sortedKeys(counts)
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	const most = 5
	parts := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		parts = append(parts, fmt.Sprintf("%s: %d", name, counts[name]))
	}
	if len(names) > most {
		parts = append(parts, fmt.Sprintf("%d other NodePools", len(names)-most))
	}
	return strings.Join(parts, ", ")
}

// terminatingStuck finds NodeClaims and nodes that do not go, by the time after which the run would report them.
func terminatingStuck(in Input) []Hit {
	now := in.Snapshot.TakenAt
	var objects []string
	finalizers := map[string]bool{}
	first := now
	note := func(object string, deleted time.Time, held []string) {
		if !deleted.IsZero() && now.Sub(deleted) >= snapshot.TerminatingTooLong {
			objects = append(objects, object)
			if deleted.Before(first) {
				first = deleted
			}
			for _, f := range held {
				finalizers[f] = true
			}
		}
	}
	claims := map[string]bool{}
	for _, c := range in.claims() {
		claims[c.Name] = true
		grace := c.TerminationGracePeriod
		if now.Sub(c.Deleted) >= grace || grace == 0 { // until then pods may leave by themselves
			note("NodeClaim/"+c.Name, c.Deleted, c.Finalizers)
		}
	}
	for i := range in.Snapshot.Nodes {
		if n := &in.Snapshot.Nodes[i]; !claims[n.NodeClaim] { // or its NodeClaim stands for it
			note("Node/"+n.Name, n.Deleted, n.Finalizers)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "kubectl describe each, and see kubectl get volumeattachments: mostly a pod whose budget or annotation keeps it, a volume that does not detach, or an EC2NodeClass that is not Ready. Do not take the finalizer karpenter.sh/termination off before the instance is gone: it would go on running",
		"they are terminating, the first since %s (finalizers: %s), and the run waits for them to go", first.UTC().Format(time.RFC3339), joined(finalizers))
}

// nodePoolTerminating finds NodePools and EC2NodeClasses that are being deleted: Karpenter deletes all NodeClaims of such a NodePool at
// once, outside of all budgets, and launches nothing from such an EC2NodeClass.
func nodePoolTerminating(in Input) []Hit {
	var objects []string
	nodes := int32(0)
	for i := range in.Snapshot.NodePools {
		if p := &in.Snapshot.NodePools[i]; p.GetDeletionTimestamp() != nil && plan.Managed(p) {
			objects = append(objects, "NodePool/"+p.GetName())
			nodes += in.Snapshot.NodesOf(p.GetName())
		}
	}
	for i := range in.Snapshot.NodeClasses {
		if c := &in.Snapshot.NodeClasses[i]; c.GetDeletionTimestamp() != nil {
			objects = append(objects, "EC2NodeClass/"+c.GetName())
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "let that end first, and see who deleted them: a deletion cannot be taken back; create the NodePool anew, under another name, where it is needed",
		"they are being deleted: Karpenter removes all %d nodes of such NodePools at once, whatever their budgets say, and launches nothing from such an EC2NodeClass", nodes)
}

// launchPatience is how long a NodeClaim may take to launch before Karpenter gives it up (sigs.k8s.io/karpenter
// pkg/controllers/nodeclaim/lifecycle/liveness.go, launch timeout).
const launchPatience = 5 * time.Minute

// launchFailing finds NodeClaims that do not become nodes now. Karpenter deletes them after a while and tries again, so that there are
// never many.
func launchFailing(in Input) []Hit {
	var failing []*snapshot.NodeClaim
	said := ""
	joined := map[string]bool{}
	for i := range in.Snapshot.Nodes {
		joined[in.Snapshot.Nodes[i].NodeClaim] = true
	}
	for _, c := range in.claims() {
		why, ok := failure(c, in.Snapshot.TakenAt)
		if !ok || joined[c.Name] {
			continue
		}
		failing = append(failing, c)
		if said == "" {
			said = why
		}
	}
	if len(failing) == 0 {
		return nil
	}
	return one(claimNames(failing), "kubectl describe nodeclaim "+failing[0].Name+"; the green NodePools have the same requirements, AMIs and subnets, so see to it before the run",
		"nodes fail to launch or to join now (%s): %s", byPool(failing), said)
}

// failure says why a NodeClaim does not become a node; false when it has, or may still.
func failure(c *snapshot.NodeClaim, now time.Time) (string, bool) {
	if !c.Deleted.IsZero() || c.Conditions[snapshot.ConditionRegistered].Status == "True" {
		return "", false
	}
	launched := c.Conditions[snapshot.ConditionLaunched]
	switch {
	case launched.Status == "False" && launched.Reason != "":
		return launched.Reason + ": " + launched.Message, true
	case now.Sub(c.Created) < launchPatience:
		return "", false
	case launched.Status != "True":
		return fmt.Sprintf("NodeClaim %s of %s is not launched", c.Name, c.Created.UTC().Format(time.RFC3339)), true
	default:
		r := c.Conditions[snapshot.ConditionRegistered]
		return fmt.Sprintf("NodeClaim %s of %s is launched and its node has not joined: %s", c.Name, c.Created.UTC().Format(time.RFC3339), strings.TrimSpace(r.Reason+" "+r.Message)), true
	}
}

// nodeRegistrationUnhealthy finds NodePools whose last nodes did not join (condition NodeRegistrationHealthy, Karpenter 1.4 and later).
func nodeRegistrationUnhealthy(in Input) []Hit {
	var objects []string
	said := ""
	for _, p := range planned(in) {
		if status, message := snapshot.ConditionStatus(p, "NodeRegistrationHealthy"); status == "False" {
			objects = append(objects, "NodePool/"+p.GetName())
			said = message
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "kubectl describe nodepool, and see user data, AMI, node role and security groups of its EC2NodeClass: the green copy has the same",
		"the last nodes that Karpenter launched from them did not join: %s", said)
}
