package live

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// maxTexts is how many texts of one object are kept.
const maxTexts = 200

// monitors reads which objects of the Prometheus operator, where it is installed, name metrics of Karpenter.
func (a *surroundings) monitors(ctx context.Context) error {
	for _, kind := range []string{"PrometheusRule", "ServiceMonitor", "PodMonitor"} {
		page := &unstructured.UnstructuredList{}
		page.SetGroupVersionKind(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: kind + "List"})
		err := a.pages(ctx, page, func() {
			for i := range page.Items {
				o := &page.Items[i]
				if texts := texts(o.Object["spec"], nil); len(texts) > 0 {
					a.out.Monitors = append(a.out.Monitors, snapshot.Monitor{Object: kind + "/" + o.GetNamespace() + "/" + o.GetName(), Texts: texts})
				}
			}
		})
		if err != nil && !notServed(err) {
			return err
		}
	}
	slices.SortFunc(a.out.Monitors, func(a, b snapshot.Monitor) int { return strings.Compare(a.Object, b.Object) })
	return nil
}

// texts are the strings below v that name a metric of Karpenter.
func texts(v any, out []string) []string {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "karpenter_") && len(out) < maxTexts {
			out = append(out, v)
		}
	case []any:
		for _, e := range v {
			out = texts(e, out)
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			out = texts(v[key], out)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}
