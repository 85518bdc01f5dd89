package phases

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/manager"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// operatorName is the name of the operator's own release, of its ServiceAccount, and of its roles.
const operatorName = "karpenter-upgrade-operator"

// ownChart renders the operator's chart as it is shipped.
func (w *world) ownChart() string {
	w.t.Helper()
	root, err := binaries.FindRoot("")
	w.ok(err)
	loaded, err := loader.LoadDir(filepath.Join(root, "charts", operatorName))
	w.ok(err)
	packed, err := chartutil.Save(loaded, w.t.TempDir())
	w.ok(err)
	archive, err := os.ReadFile(packed)
	w.ok(err)
	manifest, err := shared.helm.Render(w.ctx(), release.Spec{
		Namespace: operatorNS, Name: operatorName, Chart: &release.Chart{Archive: archive},
		Values: map[string]any{"karpenter": map[string]any{"namespace": karpenterNS, "targetNamespace": w.mayMoveTo}},
	})
	w.ok(err)
	return manifest
}

// permit gives the operator's ServiceAccount what its chart gives it.
func (w *world) permit() {
	w.t.Helper()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(w.ownChart())))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		w.ok(err)
		o := &unstructured.Unstructured{}
		w.ok(yaml.Unmarshal(doc, &o.Object))
		if o.GroupVersionKind().Group == rbacv1.GroupName {
			w.ok(w.api.Create(w.ctx(), o))
		}
	}
}

// serviceAccount is a connection as the operator's ServiceAccount.
func serviceAccount() *rest.Config {
	config := rest.CopyConfig(shared.config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + operatorNS + ":" + operatorName,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNS, "system:authenticated"},
	}
	return config
}

// connect lets the operator work through this connection.
func (w *world) connect(config *rest.Config) {
	w.t.Helper()
	c, err := client.New(config, client.Options{Scheme: manager.Scheme(), Mapper: shared.api.RESTMapper()})
	w.ok(err)
	live := client.WithFieldOwner(c, phase.FieldOwner)
	w.connection, w.kit.Client, w.kit.Live = config, live, live
	w.kit.Releases = release.NewHelm(config, shared.api.RESTMapper(), "", logr.Discard())
}

// permitted lets the operator work as its ServiceAccount, with the permissions of its chart, as soon as the API server has
// taken note of them.
func (w *world) permitted() {
	w.t.Helper()
	w.permit()
	w.connect(serviceAccount())
	for _, last := range []authorizationv1.ResourceAttributes{
		{Namespace: karpenterNS, Verb: "create", Resource: "secrets"},
		{Namespace: operatorNS, Verb: "create", Resource: "secrets"},
		{Namespace: "kube-system", Verb: "create", Group: rbacv1.GroupName, Resource: "roles"},
		{Namespace: "kube-node-lease", Verb: "create", Group: rbacv1.GroupName, Resource: "roles"},
		{Verb: "delete", Group: "karpenter.sh", Resource: "nodepools"},
		{Verb: "delete", Resource: "pods"},
	} {
		w.Eventually(func() bool {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &last}}
			w.ok(w.kit.Live.Create(w.ctx(), review))
			return review.Status.Allowed
		}).WithTimeout(patience).WithPolling(glance).Should(BeTrue(), "%+v", last)
	}
}

func TestTheChartsPermissionsCoverWhatKarpentersChartGrants(t *testing.T) {
	w := preflightWorld(t)
	w.permitted()
	w.Expect(w.blockers()).To(BeEmpty())

	shipped := get(w, &rbacv1.ClusterRole{}, "", operatorName+"-karpenter")
	for resource, named := range map[string][]string{
		"nodeoverlays": {"update nodeoverlays/status.karpenter.sh", "patch nodeoverlays/status.karpenter.sh"},
		"csinodes":     {"watch csinodes.storage.k8s.io", "get storageclasses.storage.k8s.io"},
		"daemonsets":   {"watch daemonsets.apps"},
	} {
		w.setRules(shipped.Name, slices.DeleteFunc(slices.Clone(shipped.Rules), func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, resource) }))
		var found []v1alpha1.Finding
		w.Eventually(func() []v1alpha1.Finding {
			found = w.findings(v1alpha1.SeverityBlocker)
			return found
		}).WithTimeout(patience).WithPolling(glance).Should(ConsistOf(HaveField("Code", "PermissionsMissing")), resource)
		w.Expect(found[0].Objects).To(ContainElements(named))
		for _, n := range named {
			w.Expect(found[0].Why).To(ContainSubstring(n))
		}
		w.setRules(shipped.Name, shipped.Rules)
		w.Eventually(w.blockers).WithTimeout(patience).WithPolling(glance).Should(BeEmpty(), resource)
	}
}

func (w *world) setRules(clusterRole string, rules []rbacv1.PolicyRule) {
	w.t.Helper()
	role := get(w, &rbacv1.ClusterRole{}, "", clusterRole)
	role.Rules = rules
	w.ok(w.api.Update(w.ctx(), role))
}

func TestHoweverMuchIsMissingItCanBeReported(t *testing.T) {
	w := preflightWorld(t)
	w.permitted()
	w.setRules(operatorName+"-karpenter", nil)
	w.Eventually(w.blockers).WithTimeout(patience).WithPolling(glance).Should(Equal([]string{"PermissionsMissing"}))
	out := w.step(w.preflight().Run)
	w.Expect(out.Reason).To(Equal(v1alpha1.ReasonPreflightBlocked))
	missing := w.read("up").Status.Findings[0]
	w.Expect(missing.Objects).To(HaveLen(20))
	w.Expect(missing.Objects[19]).To(MatchRegexp("^and [0-9]+ more$"))
}
