package observer

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/metadata"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
)

// kindInterval is how often it is looked whether the kind KarpenterUpgrade exists by now.
const kindInterval = time.Second

// poolVersions are the versions of NodePool, newest first.
var poolVersions = []string{"v1", "v1beta1"}

// pools are the names of the NodePools that exist; none where Karpenter is not installed.
func pools(ctx context.Context, client metadata.Interface) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for _, version := range poolVersions {
		gvr := schema.GroupVersionResource{Group: "karpenter.sh", Version: version, Resource: "nodepools"}
		list, err := client.Resource(gvr).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing NodePools: %w", err)
		}
		names := make([]string, 0, len(list.Items))
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		return names, nil
	}
	return nil, nil
}

// watchRuns follows KarpenterUpgrades, from when their kind exists until ctx ends.
func watchRuns(ctx context.Context, dc discovery.DiscoveryInterfaceWithContext, client dynamic.Interface, l *ledger) error {
	gvr := v1alpha1.GroupVersion.WithResource("karpenterupgrades")
	err := wait.PollUntilContextCancel(ctx, kindInterval, true, func(ctx context.Context) (bool, error) {
		_, err := dc.ServerResourcesForGroupVersionWithContext(ctx, gvr.GroupVersion().String())
		return err == nil, nil // whatever the reason, it is not there to be watched
	})
	if err != nil {
		return nil //nolint:nilerr // the observation ended before
	}
	w := &watcher{ledger: l}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	follow[*unstructured.Unstructured](w, factory.ForResource(gvr).Informer(), upgradeEvents, nil)
	if len(w.errs) > 0 {
		return fmt.Errorf("watching KarpenterUpgrades: %w", w.errs[0])
	}
	factory.Start(ctx.Done())
	return nil
}

func upgradeEvents(o *unstructured.Unstructured) []record.Event {
	u := &v1alpha1.KarpenterUpgrade{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, u); err != nil {
		return nil // of another version: its phases are not known
	}
	return runEvents(u)
}
