package api

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cleanup outlives the test, for what is cleaned up after it.
func cleanup(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// begun lets a run leave Preflight for its first change.
func begun(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(unstructured.SetNestedField(u.Object, "2026-11-20T12:00:00Z", "status", "startedAt")).To(Succeed())
	g.Expect(api.Status().Update(t.Context(), u)).To(Succeed())
}

// Until a run has begun, all that Preflight may ask for can be changed.
func TestWhatMayBeChangedBeforeARunHasBegun(t *testing.T) {
	for name, to := range map[string]string{
		"target":      `{target: {version: 1.14.1}, mode: Run}`,
		"values":      `{target: {version: 1.13.1, values: {replicas: 3}}, mode: Run}`,
		"source":      `{target: {version: 1.13.1}, mode: Run, source: {namespace: a, release: b}}`,
		"suffix":      `{target: {version: 1.13.1}, mode: Run, nodePools: {suffix: -green}}`,
		"only a plan": `{target: {version: 1.13.1}, mode: Plan}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			u := object(t, "frozen", `{target: {version: 1.13.1}, mode: Run}`)
			g.Expect(api.Create(t.Context(), u)).To(Succeed())
			t.Cleanup(func() { g.Expect(api.Delete(cleanup(t), u)).To(Succeed()) })
			g.Expect(unstructured.SetNestedField(u.Object, "blocked", "status", "message")).To(Succeed())
			g.Expect(api.Status().Update(t.Context(), u)).To(Succeed())

			changed := object(t, "frozen", to)
			changed.SetResourceVersion(u.GetResourceVersion())
			g.Expect(api.Update(t.Context(), changed, client.FieldValidation("Strict"))).To(Succeed())
		})
	}
}

// Once a run has begun, what its plan was made of cannot be changed under it.
func TestWhatIsFrozenWhileARunGoesOn(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string
		says     string // empty: allowed
	}{
		"nodes of a run":               {`{target: {version: 1.13.1}, mode: Run, strategy: InPlace}`, `{target: {version: 1.13.1}, mode: Run, strategy: InPlace, nodes: Keep}`, "spec.nodes is frozen"},
		"target of a plan":             {`{target: {version: 1.13.1}}`, `{target: {version: 1.14.1}}`, ""},
		"target of a run":              {`{target: {version: 1.13.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Run}`, "spec.target is frozen"},
		"chart of a run":               {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1, chart: {repository: "oci://mirror/karpenter"}}, mode: Run}`, "spec.target is frozen"},
		"values of a run":              {`{target: {version: 1.14.1, values: {replicas: 2}}, mode: Run}`, `{target: {version: 1.14.1, values: {replicas: 3}}, mode: Run}`, "spec.target is frozen"},
		"values added to a run":        {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1, values: {replicas: 3}}, mode: Run}`, "spec.target is frozen"},
		"source of a run":              {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Run, source: {namespace: a, release: b}}`, "spec.source is frozen"},
		"suffix of a run":              {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Run, nodePools: {suffix: -green}}`, "spec.nodePools is frozen"},
		"target of a paused run":       {`{target: {version: 1.13.1}, mode: Pause}`, `{target: {version: 1.14.1}, mode: Pause}`, "spec.target is frozen"},
		"limits of a run":              {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Run, migration: {maxUnavailable: 3, order: {namespaces: [a]}}}`, ""},
		"deadline of a run":            {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Run, migration: {doNotDisruptTimeout: 1h}}`, ""},
		"pause a run":                  {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Pause}`, ""},
		"resume":                       {`{target: {version: 1.14.1}, mode: Pause}`, `{target: {version: 1.14.1}, mode: Run}`, ""},
		"roll back":                    {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Rollback}`, ""},
		"pause a rollback":             {`{target: {version: 1.14.1}, mode: Rollback}`, `{target: {version: 1.14.1}, mode: Pause}`, ""},
		"abort a rollback":             {`{target: {version: 1.14.1}, mode: Rollback}`, `{target: {version: 1.14.1}, mode: Abort}`, ""},
		"run forward after a rollback": {`{target: {version: 1.14.1}, mode: Rollback}`, `{target: {version: 1.14.1}, mode: Run}`, "cannot run forward again"},
		"only plan a run":              {`{target: {version: 1.14.1}, mode: Run}`, `{target: {version: 1.14.1}, mode: Plan}`, "cannot go back to Plan"},
		"continue an aborted run":      {`{target: {version: 1.14.1}, mode: Abort}`, `{target: {version: 1.14.1}, mode: Run}`, "an aborted run cannot be continued"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			u := object(t, "frozen", tc.from)
			g.Expect(api.Create(t.Context(), u)).To(Succeed())
			t.Cleanup(func() { g.Expect(api.Delete(cleanup(t), u)).To(Succeed()) })
			if !strings.HasSuffix(name, "of a plan") {
				begun(t, u)
			}

			changed := object(t, "frozen", tc.to)
			changed.SetResourceVersion(u.GetResourceVersion())
			err := api.Update(t.Context(), changed, client.FieldValidation("Strict"))
			if tc.says == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(ContainSubstring(tc.says)))
		})
	}
}
