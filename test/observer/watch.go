package observer

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
)

// syncTimeout bounds reading what there is at the start.
const syncTimeout = 2 * time.Minute

// watcher turns what watches tell into events.
type watcher struct {
	ledger *ledger
	synced []cache.DoneChecker
	errs   []error
}

// follow follows the objects of one kind. gone may be nil for kinds whose end means nothing.
func follow[T metav1.Object](w *watcher, informer cache.SharedIndexInformer, is, gone func(T) []record.Event) {
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { tell(w.ledger, o, is) },
		UpdateFunc: func(_, o any) { tell(w.ledger, o, is) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			tell(w.ledger, o, gone)
		},
	})
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	w.synced = append(w.synced, registration.HasSyncedChecker())
}

func tell[T metav1.Object](l *ledger, o any, events func(T) []record.Event) {
	if typed, ok := o.(T); ok && events != nil {
		l.apply(events(typed)...)
	}
}

// watch follows the kinds of Kubernetes itself, and returns when everything that existed has been told. It goes on until ctx
// ends.
func watch(ctx context.Context, client kubernetes.Interface, l *ledger, release string) error {
	w := &watcher{ledger: l}
	all := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(stripManagedFields))
	leases := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = "metadata.name=" + electionLease
	}))
	core := all.Core().V1()
	follow(w, core.Nodes().Informer(), nodeEvents, func(n *corev1.Node) []record.Event { return one(record.NodeGone{Name: n.Name}) })
	follow(w, core.Pods().Informer(), podEvents, func(p *corev1.Pod) []record.Event {
		return []record.Event{record.PodGone{UID: string(p.UID)}, record.ControllerGone{UID: string(p.UID)}}
	})
	followWorkloads(w, all, release)
	follow[*batchv1.Job](w, all.Batch().V1().Jobs().Informer(), jobEvents, nil)
	follow(w, all.Policy().V1().PodDisruptionBudgets().Informer(), budgetEvents, func(b *policyv1.PodDisruptionBudget) []record.Event {
		return one(record.BudgetGone{UID: string(b.UID)})
	})
	follow(w, leases.Coordination().V1().Leases().Informer(), leaseEvents, func(o *coordinationv1.Lease) []record.Event {
		return one(record.LeaseGone{Namespace: o.Namespace})
	})
	if err := errors.Join(w.errs...); err != nil {
		return fmt.Errorf("watching the cluster: %w", err)
	}
	all.StartWithContext(ctx)
	leases.StartWithContext(ctx)
	timed, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if !cache.WaitFor(timed, "", w.synced...) {
		return fmt.Errorf("reading what there is in the cluster took longer than %s, or was interrupted", syncTimeout)
	}
	return nil
}

func followWorkloads(w *watcher, all informers.SharedInformerFactory, release string) {
	apps := all.Apps().V1()
	follow(w, apps.Deployments().Informer(),
		func(d *appsv1.Deployment) []record.Event { return deploymentEvents(d, release) },
		func(d *appsv1.Deployment) []record.Event { return one(record.WorkloadGone{UID: string(d.UID)}) })
	follow(w, apps.ReplicaSets().Informer(), replicaSetEvents,
		func(r *appsv1.ReplicaSet) []record.Event { return one(record.WorkloadGone{UID: string(r.UID)}) })
	follow(w, apps.StatefulSets().Informer(), statefulSetEvents,
		func(s *appsv1.StatefulSet) []record.Event { return one(record.WorkloadGone{UID: string(s.UID)}) })
	follow(w, apps.DaemonSets().Informer(), daemonSetEvents,
		func(d *appsv1.DaemonSet) []record.Event { return one(record.WorkloadGone{UID: string(d.UID)}) })
}

// stripManagedFields drops the bulk of objects.
func stripManagedFields(o any) (any, error) {
	if object, ok := o.(metav1.Object); ok {
		object.SetManagedFields(nil)
	}
	return o, nil
}

func one(e record.Event) []record.Event { return []record.Event{e} }
