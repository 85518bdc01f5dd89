package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

// maxEvents is how many events Explain prints.
const maxEvents = 25

// Explain prints what helps to find out why a run did not end well: its status, and the newest events.
func (s *Stage) Explain(ctx context.Context, w io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var runs v1alpha1.KarpenterUpgradeList
	if err := s.Client.List(ctx, &runs); err != nil {
		fmt.Fprintln(w, "KarpenterUpgrades cannot be listed:", err)
	}
	for i := range runs.Items {
		status, err := yaml.Marshal(runs.Items[i].Status)
		fmt.Fprintf(w, "\nstatus of KarpenterUpgrade %s:\n%s", runs.Items[i].Name, status)
		if err != nil {
			fmt.Fprintln(w, err)
		}
	}
	var events corev1.EventList
	if err := s.Client.List(ctx, &events); err != nil {
		fmt.Fprintln(w, "events cannot be listed:", err)
		return
	}
	slices.SortFunc(events.Items, func(a, b corev1.Event) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	fmt.Fprintln(w, "\nnewest events:")
	for _, e := range events.Items[max(0, len(events.Items)-maxEvents):] {
		fmt.Fprintf(w, "  %s %s/%s %s: %s\n", e.CreationTimestamp.Format("15:04:05"), e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Reason, e.Message)
	}
}

// KeepLogs copies the logs of the sandbox, and with them those of the controllers and the operator, into a directory. They
// would go with the sandbox.
func (s *Stage) KeepLogs(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("keeping logs: %w", err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.Sandbox.Dir(), "logs"))); err != nil {
		return fmt.Errorf("keeping logs: %w", err)
	}
	return nil
}

// WorkloadPods are the pods of the workloads, by UID: namespace/name and how often their containers were restarted.
func (s *Stage) WorkloadPods(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	for _, ns := range workloads.Namespaces() {
		var pods corev1.PodList
		if err := s.Client.List(ctx, &pods, client.InNamespace(ns)); err != nil {
			return nil, fmt.Errorf("listing the pods of namespace %s: %w", ns, err)
		}
		for i := range pods.Items {
			p, restarts := &pods.Items[i], int32(0)
			for _, c := range p.Status.ContainerStatuses {
				restarts += c.RestartCount
			}
			out[string(p.UID)] = fmt.Sprintf("%s/%s (%d restarts)", p.Namespace, p.Name, restarts)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there are no pods of workloads")
	}
	return out, nil
}
