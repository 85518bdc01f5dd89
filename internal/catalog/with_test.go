package catalog

import (
	"errors"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
)

func TestARowIsAddedWithWhatItHasOtherwise(t *testing.T) {
	g := NewWithT(t)
	c := load(t)
	more, err := c.With([]byte(`
minors:
- minor: "1.15"
  patch: 2
  source: [its upgrade guide]
  state: {kubernetes: {min: "1.27", max: "1.37"}}
  bad: [{patch: 1, why: it crashes}]
  iam: {add: ["ec2:DescribeSomething"]}
`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(more.Newest().Latest().String()).To(Equal("1.15.2"))
	state, known := more.At(semver.MustParse("1.15.0"))
	g.Expect(known).To(BeTrue())
	g.Expect(state.Kubernetes).To(Equal(Range{Min: "1.27", Max: "1.37"}))
	before, _ := c.At(semver.MustParse("1.14.1"))
	g.Expect(state.Kinds).To(Equal(before.Kinds), "what it leaves out is as in 1.14")
	g.Expect(c.Newest().Minor).To(Equal("1.14"), "the catalogue that it was added to is what it was")
}

func TestARowIsLaidOverOneThatIsThere(t *testing.T) {
	g := NewWithT(t)
	c := load(t)
	more, err := c.With([]byte(`
minors:
- {minor: "1.14", patch: 4, source: [release notes], state: {kubernetes: {max: "1.37"}}, bad: [{patch: 4, why: it crashes}]}
- {minor: "1.7", state: {kinds: {nodeoverlays.karpenter.sh: null}}}
`))
	g.Expect(err).NotTo(HaveOccurred())
	row, _ := more.Find(semver.MustParse("1.14.0"))
	g.Expect(row.State.Kubernetes).To(Equal(Range{Min: "1.26", Max: "1.37"}))
	g.Expect(row.Latest().String()).To(Equal("1.14.3"), "the newest that may be installed")
	g.Expect(row.Breaks).NotTo(BeEmpty(), "what it does not name stays")
	g.Expect(row.State.Kinds).NotTo(HaveKey("nodeoverlays.karpenter.sh"), "what goes from 1.7 is in no later row that does not name it")
	g.Expect(row.State.Kinds).To(HaveKey("capacitybuffers.autoscaling.x-k8s.io"))
	built, _ := c.Find(semver.MustParse("1.14.0"))
	g.Expect(built.Patch).To(Equal(uint64(1)))
}

func TestADocumentWithAnErrorIsRefusedWhole(t *testing.T) {
	const good = `{minor: "1.15", patch: 0, source: [x]}`
	for name, tc := range map[string]struct{ doc, row, field string }{
		"no YAML":               {"minors: [", "", ""},
		"not a mapping":         {"- 1", "", ""},
		"another list":          {"rows: []", "", ""},
		"empty":                 {"minors: []", "", ""},
		"nothing":               {"", "", ""},
		"minor is a number":     {`minors: [{minor: 1.10}]`, "1", "minor"},
		"no minor":              {`minors: [{patch: 1}]`, "1", "minor"},
		"a patch release":       {`minors: [` + good + `, {minor: "1.15.2"}]`, "1.15.2", "minor"},
		"twice":                 {`minors: [` + good + `, ` + good + `]`, "1.15", ""},
		"unknown key":           {`minors: [{minor: "1.15", source: [x], colour: green}]`, "1.15", ""},
		"unknown key in state":  {`minors: [{minor: "1.15", source: [x], state: {colour: green}}]`, "1.15", ""},
		"wrong type":            {`minors: [{minor: "1.15", source: [x], patch: one}]`, "1.15", ""},
		"no source":             {`minors: [{minor: "1.15", patch: 1}]`, "1.15", "source"},
		"a minor is missing":    {`minors: [{minor: "1.16", patch: 1, source: [x]}]`, "1.16", ""},
		"range out of order":    {`minors: [{minor: "1.15", source: [x], state: {kubernetes: {min: "1.38", max: "1.37"}}}]`, "1.15", "state.kubernetes"},
		"range of numbers":      {`minors: [{minor: "1.15", source: [x], state: {kubernetes: {min: "1.x"}}}]`, "1.15", "state.kubernetes"},
		"stores what it serves": {`minors: [{minor: "1.15", source: [x], state: {kinds: {nodepools.karpenter.sh: {stored: v2}}}}]`, "1.15", "state.kinds.nodepools.karpenter.sh"},
		"no API version":        {`minors: [{minor: "1.15", source: [x], state: {kinds: {nodepools.karpenter.sh: {served: [v1, two]}}}}]`, "1.15", "state.kinds.nodepools.karpenter.sh"},
		"no CRD":                {`minors: [{minor: "1.15", source: [x], state: {kinds: {NodePool: {served: [v1], stored: v1}}}}]`, "1.15", "state.kinds.NodePool"},
		"entered from nowhere":  {`minors: [{minor: "1.15", source: [x], state: {enter: {oldest: "0.1", why: x}}}]`, "1.15", "state.enter"},
		"entered from later":    {`minors: [{minor: "1.15", source: [x], state: {enter: {oldest: "1.16", why: x}}}]`, "1.15", "state.enter"},
		"helm repository":       {`minors: [{minor: "1.15", source: [x], state: {chart: {repository: "https://charts.karpenter.sh"}}}]`, "1.15", "state.chart.repository"},
		"no port":               {`minors: [{minor: "1.15", source: [x], state: {metricsPort: 0}}]`, "1.15", "state.metricsPort"},
		"no constraint":         {`minors: [{minor: "1.15", source: [x], state: {rollback: back}}]`, "1.15", "state.rollback"},
		"bad patch to come":     {`minors: [{minor: "1.15", source: [x], patch: 1, bad: [{patch: 2, why: x}]}]`, "1.15", "bad[0]"},
		"bad patch without why": {`minors: [{minor: "1.15", source: [x], patch: 1, bad: [{patch: 1}]}]`, "1.15", "bad[0]"},
		"all patches are bad":   {`minors: [{minor: "1.15", source: [x], bad: [{patch: 0, why: x}]}]`, "1.15", "bad"},
		"exception says nothing": {`minors: [{minor: "1.15", source: [x], patch: 1, exceptions: [{from: 1, source: [x]}]}]`,
			"1.15", "exceptions[0].state"},
		"exceptions out of order": {`minors: [{minor: "1.15", source: [x], patch: 3, exceptions: [
			{from: 2, source: [x], state: {metricsPort: 1}}, {from: 1, source: [x], state: {metricsPort: 2}}]}]`, "1.15", "exceptions[1]"},
		"wrong exception": {`minors: [{minor: "1.15", source: [x], patch: 1, exceptions: [{from: 1, source: [x], state: {metricsPort: -1}}]}]`,
			"1.15", "exceptions[0].state.metricsPort"},
		"no action":           {`minors: [{minor: "1.15", source: [x], iam: {add: [everything]}}]`, "1.15", "iam"},
		"rename of nothing":   {`minors: [{minor: "1.15", source: [x], metrics: [{to: x}]}]`, "1.15", "metrics[0]"},
		"name of what":        {`minors: [{minor: "1.15", source: [x], names: [{from: x}]}]`, "1.15", "names[0]"},
		"breaks one of later": {`minors: [{minor: "1.14", patch: 0}, {minor: "1.13", bad: [{patch: 1, why: x}, {patch: 0, why: x}]}]`, "1.13", "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := load(t)
			more, err := c.With([]byte(tc.doc))
			g.Expect(more).To(BeNil())
			var wrong *RowError
			g.Expect(errors.As(err, &wrong)).To(BeTrue(), "%v", err)
			g.Expect(wrong.Row).To(Equal(tc.row), "%v", err)
			if tc.field != "" {
				g.Expect(wrong.Field).To(Equal(tc.field), "%v", err)
			}
			g.Expect(wrong.Why).NotTo(BeEmpty())
			g.Expect(wrong.Fix).NotTo(BeEmpty())
			g.Expect(c.rows).To(Equal(load(t).rows), "the catalogue is what it was")
		})
	}
}
