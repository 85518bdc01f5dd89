package live

import (
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestPermissionsBoundToNamesAreCompared(t *testing.T) {
	g := NewWithT(t)
	rbac, apps := schema.GroupVersion{Group: rbacv1.GroupName, Version: "v1"}, schema.GroupVersion{Group: "apps", Version: "v1"}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{rbac, apps})
	mapper.Add(rbac.WithKind("ClusterRole"), meta.RESTScopeRoot)
	mapper.Add(rbac.WithKind("Role"), meta.RESTScopeNamespace)
	mapper.Add(apps.WithKind("Deployment"), meta.RESTScopeNamespace)
	release, err := objects(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: other}
---
# nothing but a comment
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: other-dns, namespace: kube-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: other}
`)
	g.Expect(err).NotTo(HaveOccurred())
	want, err := needed(mapper, release, "karpenter", verbsOfRelease)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(want).To(HaveLen(12), "a kind that nobody serves needs no permission")

	named := func(name string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{
			{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"get", "create"}},
			{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, Verbs: []string{"patch", "delete"}, ResourceNames: []string{name}},
			{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "create", "patch"}},
		}
	}
	g.Expect(lacking(named("karpenter"), "karpenter", want)).To(Equal([]string{
		"delete clusterroles.rbac.authorization.k8s.io other", "delete deployments.apps karpenter/other", "patch clusterroles.rbac.authorization.k8s.io other",
	}))
	g.Expect(lacking(named("other"), "karpenter", want)).To(Equal([]string{"delete deployments.apps karpenter/other"}))
}
