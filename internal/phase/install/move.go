package install

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

var (
	_ engine.Keeper   = (*Phase)(nil)
	_ engine.Releaser = (*Phase)(nil)
)

// trust is the prefix of the annotations by which EKS binds a ServiceAccount to an IAM role.
const trust = "eks.amazonaws.com/"

// Keep implements engine.Keeper: as long as there are two releases in two namespaces, one of the two Leases is fenced.
func (p *Phase) Keep(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	return p.KeepFence(ctx, run)
}

// prepare makes ready the namespace that the release moves to, before anything of Karpenter is in it: the fence, and the
// ServiceAccount.
func (p *Phase) prepare(ctx context.Context, run *v1alpha1.KarpenterUpgrade, merged map[string]any) error {
	if !run.Status.Plan.Moves() {
		return nil
	}
	if err := p.FenceGreen(ctx, run); err != nil {
		return err
	}
	return p.ensureAccount(ctx, run, merged)
}

// ensureAccount makes the ServiceAccount that the release will have there in the end, which is the one that green runs as meanwhile: IAM
// trusts one of this name and namespace, not two. It is made as Helm would make it for the original release, which then adopts it at
// Cleanup, and stays when green goes.
func (p *Phase) ensureAccount(ctx context.Context, run *v1alpha1.KarpenterUpgrade, merged map[string]any) error {
	plan := run.Status.Plan
	key := client.ObjectKey{Namespace: plan.GreenNamespace(), Name: plan.ServiceAccount}
	err := p.Live.Get(ctx, key, &corev1.ServiceAccount{})
	if err == nil || !apierrors.IsNotFound(err) {
		return err
	}
	made, annotations := values.ServiceAccount(merged)
	if !made {
		return fault.NewTerminal(fmt.Errorf("the ServiceAccount %s does not exist, and the release does not make it (serviceAccount.create is false): create it first", key))
	}
	before := &corev1.ServiceAccount{}
	err = p.Live.Get(ctx, client.ObjectKey{Namespace: plan.Namespace, Name: plan.ServiceAccount}, before)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the ServiceAccount %s/%s: %w", plan.Namespace, plan.ServiceAccount, err)
	}
	all := map[string]string{}
	for name, value := range before.Annotations {
		if strings.HasPrefix(name, trust) { // set by hand, where the values do not have it
			all[name] = value
		}
	}
	maps.Copy(all, annotations)
	all["meta.helm.sh/release-name"], all["meta.helm.sh/release-namespace"] = plan.Release, key.Namespace
	off := false // as the chart has it: Karpenter's pods mount a token of their own
	account := &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Annotations: all,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm", v1alpha1.LabelRun: run.Name},
		},
		AutomountServiceAccountToken: &off,
	}
	if err := p.Live.Create(ctx, account); err != nil {
		return fmt.Errorf("creating the ServiceAccount %s: %w", key, err)
	}
	return nil
}

// clear takes back what prepare did, when green and its pods are gone.
func (p *Phase) clear(ctx context.Context, run *v1alpha1.KarpenterUpgrade) error {
	plan := run.Status.Plan
	if !plan.Moves() {
		return nil
	}
	account := &corev1.ServiceAccount{}
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: plan.GreenNamespace(), Name: plan.ServiceAccount}, account)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the ServiceAccount %s/%s: %w", plan.GreenNamespace(), plan.ServiceAccount, err)
	}
	if err == nil && account.Labels[v1alpha1.LabelRun] == run.Name {
		if err := p.Live.Delete(ctx, account, client.Preconditions{UID: &account.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting the ServiceAccount %s/%s: %w", account.Namespace, account.Name, err)
		}
	}
	return p.DropFence(ctx, phase.Green(plan))
}

// Release implements engine.Releaser, for a run that moves the release. The mark on the ServiceAccount goes. The fence goes where
// green is gone; where green stands by it stays, for green would lead beside blue.
func (p *Phase) Release(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	plan := run.Status.Plan
	if plan == nil || !plan.Moves() {
		return engine.Done("there are no marks")
	}
	green := phase.Green(plan)
	left, err := p.left(ctx, plan)
	if err != nil {
		return engine.FromError(err)
	}
	if !left {
		if err := p.clear(ctx, run); err != nil {
			return engine.FromError(err)
		}
		return engine.Done("nothing of the run is left in namespace %s", green.Namespace)
	}
	if err := p.UnmarkAccount(ctx, run); err != nil {
		return engine.FromError(err)
	}
	l, err := p.LeaseOf(ctx, green.Namespace)
	if err != nil {
		return engine.FromError(err)
	}
	if p.Fences(l) {
		return engine.Done("%s", phase.StaysFenced(green, fmt.Sprintf("helm uninstall -n %s %s", green.Namespace, green.Release)))
	}
	return engine.Done("the marks in namespace %s are gone", green.Namespace)
}

// left says that something of Karpenter is in the namespace that the release moves to: green, a pod of it, or the release itself.
func (p *Phase) left(ctx context.Context, plan *v1alpha1.Plan) (bool, error) {
	green := phase.Green(plan)
	for _, name := range []string{green.Release, plan.Release} {
		_, err := p.Releases.Get(ctx, green.Namespace, name)
		if !errors.Is(err, release.ErrNotFound) {
			return true, err
		}
	}
	pods, err := p.ControllerPods(ctx, green.Namespace, green.Release)
	return len(pods) > 0, err
}
