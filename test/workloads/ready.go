package workloads

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WaitReady waits until all workloads are complete: every replica Ready, and the Jobs at work. progress, if not nil, is told
// what is missing whenever that changes. The error names what was missing when ctx ended.
func WaitReady(ctx context.Context, c client.Client, progress func(missing []string)) error {
	var missing []string
	var last error
	told := ""
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		missing, last = Missing(ctx, c)
		if now := strings.Join(missing, ", "); progress != nil && last == nil && now != told {
			told = now
			progress(missing)
		}
		return last == nil && len(missing) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for workloads, of which %s are not complete: %w", strings.Join(missing, ", "), errors.Join(err, last))
	}
	return nil
}

// readTimeout bounds looking at all workloads once.
const readTimeout = 20 * time.Second

// Missing are the workloads that are not complete, each with how far it is.
func Missing(ctx context.Context, c client.Client) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var missing []string
	add := func(kind string, o client.Object, ready, wanted int32, current bool) {
		if !current || ready < wanted {
			missing = append(missing, fmt.Sprintf("%s %s/%s (%d of %d)", kind, o.GetNamespace(), o.GetName(), ready, wanted))
		}
	}
	for _, ns := range Namespaces() {
		var deployments appsv1.DeploymentList
		var statefulSets appsv1.StatefulSetList
		var daemonSets appsv1.DaemonSetList
		var jobs batchv1.JobList
		for _, list := range []client.ObjectList{&deployments, &statefulSets, &daemonSets, &jobs} {
			if err := c.List(ctx, list, client.InNamespace(ns)); err != nil {
				return nil, fmt.Errorf("listing workloads of namespace %s: %w", ns, err)
			}
		}
		if len(deployments.Items) == 0 {
			missing = append(missing, "namespace "+ns)
		}
		for i := range deployments.Items {
			d := &deployments.Items[i]
			add("Deployment", d, d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 1), d.Status.ObservedGeneration >= d.Generation)
		}
		for i := range statefulSets.Items {
			s := &statefulSets.Items[i]
			add("StatefulSet", s, s.Status.ReadyReplicas, ptr.Deref(s.Spec.Replicas, 1), s.Status.ObservedGeneration >= s.Generation)
		}
		for i := range daemonSets.Items {
			d := &daemonSets.Items[i]
			add("DaemonSet", d, d.Status.NumberReady, d.Status.DesiredNumberScheduled, d.Status.ObservedGeneration >= d.Generation)
		}
		for i := range jobs.Items {
			j := &jobs.Items[i]
			add("Job", j, ptr.Deref(j.Status.Ready, 0)+j.Status.Succeeded, ptr.Deref(j.Spec.Parallelism, 1), true)
		}
	}
	return missing, nil
}
