package handover

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// insistence is for how long after blue was stopped again whoever starts it once more is not fought with.
const insistence = 5 * time.Minute

// Keep implements engine.Keeper: blue stays stopped. Its pods would be standbys, of the same Lease or at a fence, so there would still be
// one leader at most; but it might be blue, and what green is to prove would be blue's work.
//
// Blue is stopped again once. Whoever starts it again within a few minutes of that means it, or is a machine that does so for
// ever: then the run waits, and says who it is. A run that goes back lets blue run: that is where it goes.
func (p *Phase) Keep(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	if run.GoesBack() {
		return nil
	}
	plan := run.Status.Plan
	blue, err := p.Deployment(ctx, plan.Namespace, plan.Release)
	if err != nil || blue == nil {
		return err
	}
	if n := ptr.Deref(blue.Spec.Replicas, 1); n > 0 {
		return p.stopAgain(ctx, run, blue, n)
	}
	pods, err := p.ControllerPods(ctx, plan.Namespace, plan.Release)
	if err != nil {
		return err
	}
	if len(pods) > 0 {
		return fmt.Errorf("pods of release %s/%s still there: %d; nothing goes on while one of them may lead", plan.Namespace, plan.Release, len(pods))
	}
	return nil
}

// stopAgain stops blue once more, or says why not. It is an error in either case: until blue's pods are gone, nothing goes on.
func (p *Phase) stopAgain(ctx context.Context, run *v1alpha1.KarpenterUpgrade, blue *appsv1.Deployment, replicas int32) error {
	who, when := startedBy(blue)
	if when.IsZero() {
		when = p.Clock.Now()
	}
	if last := phase.StoppedAgain(blue); !last.IsZero() && when.Sub(last) < insistence {
		return fault.NewTerminal(fmt.Errorf("deployment %[1]s/%[2]s was scaled to %[3]d by %[4]s, and again within %[5]s after the run had stopped it: "+
			"keep %[4]s from doing so (suspend it for the run), and then kubectl scale deployment -n %[1]s %[2]s --replicas=0",
			blue.Namespace, blue.Name, replicas, who, insistence))
	}
	mark := phase.StopMark(run.Name, ptr.Deref(run.Status.BlueReplicas, replicas))
	if err := p.StopAgain(ctx, blue, mark); err != nil {
		return err
	}
	return fmt.Errorf("deployment %s/%s had been scaled to %d by %s, and is being stopped again", blue.Namespace, blue.Name, replicas, who)
}

// startedBy is the field manager that set a Deployment's replicas last, and when; the zero time when nobody knows.
func startedBy(d *appsv1.Deployment) (who string, when time.Time) {
	who = "somebody"
	for i := range d.ManagedFields {
		entry := &d.ManagedFields[i]
		var fields struct {
			Spec map[string]any `json:"f:spec"`
		}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, owns := fields.Spec["f:replicas"]; !owns {
			continue
		}
		if at := ptr.Deref(entry.Time, d.CreationTimestamp).Time; who == "somebody" || at.After(when) {
			who, when = entry.Manager, at
		}
	}
	return who, when
}
