package check

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/values"
)

// A finding that the API refuses would take the whole status with it, and the run would say nothing at all.
func TestWhateverIsFoundFitsIntoTheAPI(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("äöü漢🙂 ", 500)
	s, spec := healthy(t)
	s.Problems = []snapshot.Problem{{What: long, Error: long}}
	s.Missing, s.MissingForHelm = []string{long}, []string{long}
	s.Installations[0].Release.Status = long
	s.Installations[0].ElectionSettings, s.Target.ElectionSettings = []string{long}, []string{long}
	s.Leaders[0].Release, s.Leaders[0].Identity = "other", long
	s.Target.Chart = snapshot.TargetChart{Ref: long, Error: long}
	s.Target.RenderError, s.Target.UnknownValues = long, []string{long}
	s.Target.ValueNotes = []values.Note{{Key: long, Why: long, Fix: long, Severity: v1alpha1.SeverityWarning}}
	s.Conversions = []snapshot.Conversion{{CRD: long, Service: long, Problem: long}}
	s.NodePools[0] = nodePool(t, "general", `}, status: {conditions: [{type: Ready, status: "False", message: "`+long+`"}]}, spec: {weight: 100`)
	s.ActiveRuns = []string{long}
	s.Problems = append(s.Problems, snapshot.Problem{What: long, Error: long, Optional: true})
	s.Nodes = []snapshot.Node{{Name: long, NodePool: "general", DeadAnnotations: []string{snapshot.AnnotationDoNotEvict}}}
	s.NodeClaims = []snapshot.NodeClaim{{Name: long, NodePool: "general", Conditions: map[string]snapshot.Condition{"Launched": {Status: "False", Reason: long, Message: long}}}}
	s.Pods = []snapshot.Pod{{Namespace: long, Name: long, Node: long, DoNotDisrupt: "true", EmptyDirs: 1, Demands: &snapshot.Demands{NodeSelector: map[string]string{long: long}}}}
	s.Budgets = []snapshot.Budget{{Namespace: long, Name: long, Selector: &metav1.LabelSelector{}, Failed: long}}

	bounds := boundsOfFindings(t)
	for _, f := range run(t, s, spec) {
		g.Expect(utf8.ValidString(f.Why)).To(BeTrue(), f.Code)
		g.Expect(utf8.RuneCountInString(f.Why)).To(BeNumerically("<=", *bounds["why"].MaxLength), f.Code)
		g.Expect(utf8.RuneCountInString(f.Fix)).To(BeNumerically("<=", *bounds["fix"].MaxLength), f.Code)
		g.Expect(len(f.Code)).To(BeNumerically("<=", *bounds["code"].MaxLength), f.Code)
		g.Expect(len(f.Objects)).To(BeNumerically("<=", *bounds["objects"].MaxItems), f.Code)
		for _, o := range f.Objects {
			g.Expect(len(o)).To(BeNumerically("<=", 1024), "%s: 50 findings have to fit into an object", f.Code)
		}
	}
}

// boundsOfFindings are the schemas of a finding's fields.
func boundsOfFindings(t *testing.T) map[string]apiextensionsv1.JSONSchemaProps {
	t.Helper()
	g := NewWithT(t)
	doc, err := os.ReadFile("../../config/crd/bases/karpenter-upgrade.dev_karpenterupgrades.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var c apiextensionsv1.CustomResourceDefinition
	g.Expect(yaml.Unmarshal(doc, &c)).To(Succeed())
	g.Expect(c.Spec.Versions[0].Name).To(Equal(v1alpha1.GroupVersion.Version))
	findings := schemaOf(&c, v1alpha1.GroupVersion.Version).Properties["status"].Properties["findings"]
	g.Expect(findings.Items).NotTo(BeNil())
	return findings.Items.Schema.Properties
}
