package live

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

const (
	good    = `minors: [{minor: "1.15", patch: 1, source: [x]}]`
	newer   = `minors: [{minor: "1.15", patch: 3, source: [x]}]`
	after   = `minors: [{minor: "1.16", patch: 0, source: [x]}]`
	corrupt = `minors: [{minor: "1.15", patch: 2, source: [x]}, {minor: "1.16", source: [x], state: {kubernetes: {min: "1.99"}}}]`
)

// rowsIn makes a ConfigMap with rows.
func rowsIn(namespace, name, doc string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{Label: LabelValue}},
		Data:       map[string]string{Key: doc},
	}
}

func source(t *testing.T, objects ...client.Object) (*Source, client.Client) {
	t.Helper()
	builtIn, err := catalog.Load()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	c := fake.NewClientBuilder().WithObjects(objects...).Build()
	return &Source{Client: c, Namespace: "operator", BuiltIn: builtIn}, c
}

func newest(t *testing.T, s *Source) (string, []catalog.Problem) {
	t.Helper()
	c, problems, err := s.Catalog(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c.Newest().Latest().String(), problems
}

func TestRowsAreTakenFromTheOperatorsNamespaceAlone(t *testing.T) {
	g := NewWithT(t)
	unlabelled := rowsIn("operator", "unlabelled", after)
	unlabelled.Labels = nil
	s, _ := source(t, rowsIn("elsewhere", "rows", after), unlabelled)
	version, problems := newest(t, s)
	g.Expect(version).To(Equal("1.14.1"))
	g.Expect(problems).To(BeEmpty())

	s, _ = source(t, rowsIn("operator", "a", good), rowsIn("operator", "b", after))
	version, problems = newest(t, s)
	g.Expect(version).To(Equal("1.16.0"), "in the order of their names: 1.16 needs 1.15")
	g.Expect(problems).To(BeEmpty())
}

func TestACorruptConfigMapIsRefusedWhole(t *testing.T) {
	g := NewWithT(t)
	s, _ := source(t, rowsIn("operator", "a", corrupt), rowsIn("operator", "b", good))
	version, problems := newest(t, s)
	g.Expect(version).To(Equal("1.15.1"), "nothing of a, and b none the less")
	g.Expect(problems).To(HaveExactElements(And(
		HaveField("Object", "ConfigMap/operator/a"),
		HaveField("Why", And(ContainSubstring(`row "1.16", field state.kubernetes`), ContainSubstring("nothing of it is used"))),
		HaveField("Fix", ContainSubstring("put them in order")),
	)))
}

func TestWhatACorruptConfigMapSaidBeforeHolds(t *testing.T) {
	g := NewWithT(t)
	cm := rowsIn("operator", "rows", good)
	s, c := source(t, cm)
	says := func(doc string) (string, []catalog.Problem) {
		cm.Data[Key] = doc
		g.Expect(c.Update(t.Context(), cm)).To(Succeed())
		return newest(t, s)
	}
	version, _ := newest(t, s)
	g.Expect(version).To(Equal("1.15.1"))
	for range 2 {
		version, problems := says(corrupt)
		g.Expect(version).To(Equal("1.15.1"))
		g.Expect(problems).To(HaveExactElements(HaveField("Why", ContainSubstring("what it said before still holds"))))
	}
	version, problems := says(newer)
	g.Expect(version).To(Equal("1.15.3"))
	g.Expect(problems).To(BeEmpty())

	g.Expect(c.Delete(t.Context(), cm)).To(Succeed())
	version, problems = newest(t, s)
	g.Expect(version).To(Equal("1.14.1"), "rows of a ConfigMap that is gone are gone")
	g.Expect(problems).To(BeEmpty())

	again := rowsIn("operator", "rows", corrupt)
	g.Expect(c.Create(t.Context(), again)).To(Succeed())
	version, _ = newest(t, s)
	g.Expect(version).To(Equal("1.14.1"), "and do not come back with another one")
}

func TestRowsThatDependOnThoseOfAnotherConfigMap(t *testing.T) {
	g := NewWithT(t)
	first := rowsIn("operator", "a", good)
	s, c := source(t, first, rowsIn("operator", "b", after))
	version, _ := newest(t, s)
	g.Expect(version).To(Equal("1.16.0"))
	g.Expect(c.Delete(t.Context(), first)).To(Succeed())
	version, problems := newest(t, s)
	g.Expect(version).To(Equal("1.14.1"))
	g.Expect(problems).To(HaveExactElements(HaveField("Why", And(ContainSubstring("1.14"), ContainSubstring("nothing of it is used")))))
}

func TestAConfigMapWithoutRows(t *testing.T) {
	g := NewWithT(t)
	cm := rowsIn("operator", "rows", "")
	cm.Data = map[string]string{"other.yaml": good}
	s, _ := source(t, cm)
	_, problems := newest(t, s)
	g.Expect(problems).To(HaveExactElements(And(HaveField("Why", ContainSubstring(Key)), HaveField("Fix", ContainSubstring(Label)))))
}

func TestConfigMapsThatCannotBeRead(t *testing.T) {
	g := NewWithT(t)
	s, _ := source(t)
	s.Client = interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("away")
		},
	})
	_, _, err := s.Catalog(t.Context())
	g.Expect(err).To(MatchError(And(ContainSubstring("ConfigMaps"), ContainSubstring("operator"), ContainSubstring("away"))))
}
