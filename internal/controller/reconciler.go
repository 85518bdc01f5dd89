package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
)

const (
	// stepTimeout bounds one step: everything that it asks of the API server, Helm and AWS.
	stepTimeout = 3 * time.Minute
	// deletionTimeout is how long a run that is being deleted may take to take its marks back before it goes all the same: a
	// finalizer must not hang.
	deletionTimeout = 5 * time.Minute
	// writeTimeout bounds writing the status, also after a step that took all the time it had.
	writeTimeout = 10 * time.Second
)

// Reconciler reconciles KarpenterUpgrades.
type Reconciler struct {
	// Live reads past the caches: a run must be seen as the last step left it.
	Live   client.Client
	Engine *engine.Engine
	Events events.EventRecorder
	Clock  clock.PassiveClock
}

// SetupWithManager registers the reconciler. One run is reconciled at a time: there is one Karpenter in a cluster.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.KarpenterUpgrade{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Named("karpenterupgrade").
		Complete(r)
}

// Reconcile takes a run one step on.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	run := &v1alpha1.KarpenterUpgrade{}
	if err := r.Live.Get(ctx, req.NamespacedName, run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if done, err := r.finalizer(ctx, run); done || err != nil {
		return ctrl.Result{RequeueAfter: time.Millisecond}, err
	}
	before := run.DeepCopy()
	result := r.Engine.Step(ctx, run)
	writing, cancelWriting := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancelWriting()
	if err := r.patchStatus(writing, before, run); err != nil {
		return ctrl.Result{}, err
	}
	r.report(ctx, before, run)
	if done, err := r.finalizer(writing, run); done || err != nil {
		return ctrl.Result{RequeueAfter: time.Millisecond}, err
	}
	if result.Again {
		return ctrl.Result{RequeueAfter: result.After}, nil
	}
	return ctrl.Result{}, nil
}

// finalizer puts the finalizer on a run that is about to change something, and takes it off one that has ended. It says whether
// it wrote, which is all that one reconcile then does.
func (r *Reconciler) finalizer(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (wrote bool, err error) {
	before := run.DeepCopy()
	switch {
	case run.Ended(), r.overdue(run):
		wrote = controllerutil.RemoveFinalizer(run, v1alpha1.Finalizer)
	case run.Spec.Mode == v1alpha1.ModeRun && run.DeletionTimestamp.IsZero():
		wrote = controllerutil.AddFinalizer(run, v1alpha1.Finalizer)
	}
	if !wrote {
		return false, nil
	}
	err = r.Live.Patch(ctx, run, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return true, fmt.Errorf("writing the finalizer of KarpenterUpgrade %s: %w", run.Name, client.IgnoreNotFound(err))
	}
	if !before.Ended() && r.overdue(before) {
		r.Events.Eventf(before, nil, corev1.EventTypeWarning, "MarksLeft", "Delete", "%s",
			v1alpha1.Truncate(fmt.Sprintf("let go %s after its deletion; not all marks are taken back: %s", deletionTimeout, before.Status.Message)))
	}
	return true, nil
}

func (r *Reconciler) overdue(run *v1alpha1.KarpenterUpgrade) bool {
	return !run.DeletionTimestamp.IsZero() && r.Clock.Since(run.DeletionTimestamp.Time) > deletionTimeout
}

// patchStatus writes what changed of the status, and nothing when nothing did. It conflicts when somebody else wrote: the run is
// then looked at anew.
func (r *Reconciler) patchStatus(ctx context.Context, before, after *v1alpha1.KarpenterUpgrade) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Live.Status().Patch(ctx, after, patch); err != nil {
		return fmt.Errorf("writing the status of KarpenterUpgrade %s: %w", after.Name, err)
	}
	return nil
}

// report says in events and in the log what the step changed, after it was written.
func (r *Reconciler) report(ctx context.Context, before, after *v1alpha1.KarpenterUpgrade) {
	log := logr.FromContextOrDiscard(ctx)
	for _, t := range transitions(before, after) {
		r.Events.Eventf(after, nil, t.kind, t.reason, t.action, "%s", t.note)
		log.Info(t.note, "reason", t.reason, "phase", after.Status.Phase)
	}
}
