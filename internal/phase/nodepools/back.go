package nodepools

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/backup"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// blueReady is Done when what leaves green nodes finds blue NodePools that can launch for it: nothing of green may be stopped
// before. Blue objects that were deleted since the run began (by a Git that prunes, say) are restored here and now, for the
// Undo of Backup comes last. Whether they are Ready matters only where green has NodeClaims.
func (p *Phase) blueReady(ctx context.Context, run *v1alpha1.KarpenterUpgrade, own objects) engine.Outcome {
	if len(own.pools) == 0 {
		return engine.Done("there is nothing to move back")
	}
	created, err := (&backup.Phase{Kit: p.Kit}).Restore(ctx, run)
	if errors.Is(err, backup.ErrLost) {
		return engine.Blocked("BackupLost", "nothing of green is stopped before blue is there: %v", err)
	}
	if err != nil {
		return engine.FromError(err)
	}
	if len(created) > 0 {
		return engine.Wait(look, "RestoringBlue", "restored %s, which had been deleted", strings.Join(created, ", "))
	}
	needed, err := p.needed(ctx, run.Status.Plan, own)
	if err != nil {
		return engine.FromError(err)
	}
	for _, o := range needed {
		current, err := p.Get(ctx, o.kind, o.name)
		if err != nil && !apierrors.IsNotFound(err) {
			return engine.FromError(err)
		}
		if out := usable(o, current); out.Kind != engine.KindDone {
			return out
		}
	}
	return engine.Done("blue is Ready")
}

type blueObject struct {
	kind schema.GroupVersionKind
	name string
}

// needed are the blue NodePools to which something is going to move, and their EC2NodeClasses.
func (p *Phase) needed(ctx context.Context, plan *v1alpha1.Plan, own objects) ([]blueObject, error) {
	green, classes := sets.New[string](), sets.New[string]()
	for _, pool := range own.pools {
		left, err := p.claims(ctx, pool.GetName())
		if err != nil {
			return nil, err
		}
		if left != "" {
			green.Insert(pool.GetName())
		}
	}
	var out []blueObject
	for _, pool := range plan.Pools {
		if green.Has(pool.Green) {
			out = append(out, blueObject{phase.NodePoolKind, pool.Blue})
			classes.Insert(pool.NodeClass)
		}
	}
	for _, class := range plan.NodeClasses {
		if classes.Has(class.Green) {
			out = append(out, blueObject{phase.NodeClassKind, class.Blue})
		}
	}
	return out, nil
}

// usable is Done when Karpenter can launch with a blue object; it is nil when there is none.
func usable(o blueObject, current *unstructured.Unstructured) engine.Outcome {
	const until = "nothing of green is stopped before it is there and Ready"
	if current == nil {
		return engine.Blocked("BlueMissing", "create %[1]s %[2]s again, from Git: it is missing, and the backup does not have it; %[3]s", o.kind.Kind, o.name, until)
	}
	if current.GetDeletionTimestamp() != nil {
		return engine.Blocked("BlueDeleted", "%[1]s %[2]s is being deleted, which waits for what uses it: kubectl get nodeclaims; it is restored when it is gone; %[3]s",
			o.kind.Kind, o.name, until)
	}
	switch status, message := snapshot.ConditionStatus(current, "Ready"); status {
	case "True":
		return engine.Done("it is Ready")
	case "False":
		return engine.Blocked("BlueNotReady", "%[1]s %[2]s is not Ready: %[4]s; kubectl describe %[1]s %[2]s; %[3]s", o.kind.Kind, o.name, until, message)
	default:
		return engine.Wait(look, "WaitingForBlue", "%[1]s %[2]s is not Ready yet: %[4]s; %[3]s", o.kind.Kind, o.name, until, message)
	}
}
