package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

func example() *Report {
	return &Report{
		TakenAt: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Kubernetes: "v1.36.3", From: "0.36.2", To: "1.14.1",
		Plan: &v1alpha1.Plan{
			Hash: "abc", Namespace: "karpenter", Release: "karpenter", Nodes: 15, Pools: []v1alpha1.PoolPlan{{Blue: "general", Green: "general-v1-14-1"}},
			Hops: []v1alpha1.Hop{
				{Version: "1.0.8", Strategy: v1alpha1.StrategyInPlace, RollbackTo: "0.36.2", Changes: []string{"stores v1"}},
				{Version: "1.14.1", Strategy: v1alpha1.StrategyBlueGreen, RollbackTo: "1.0.8", PointOfNoReturn: "v1beta1 goes"},
			},
		},
		Findings: []v1alpha1.Finding{
			{Code: "WorkloadPinned", Severity: v1alpha1.SeverityBlocker, Objects: []string{"Deployment/shop/cart"}, Why: strings.Repeat("word ", 40), Fix: "kubectl edit | less"},
			{Code: "StaticNodePool", Severity: v1alpha1.SeverityBlocker, Objects: []string{"NodePool/fixed"}, Why: "why", Fix: "fix", Waived: "known since May"},
			{Code: "ValuesDropped", Severity: v1alpha1.SeverityWarning, Why: "gone", Fix: "set it"},
			{Code: "PointOfNoReturn", Severity: v1alpha1.SeverityInfo, Why: "no way", Fix: "know it"},
		},
	}
}

func text(t *testing.T, format string, r *Report) string {
	t.Helper()
	g := NewWithT(t)
	write, err := Writer(format)
	g.Expect(err).NotTo(HaveOccurred())
	var out bytes.Buffer
	g.Expect(write(&out, r, Screen(&out))).To(Succeed())
	return out.String()
}

func TestATableFitsIntoEightyColumns(t *testing.T) {
	g := NewWithT(t)
	out := text(t, "table", example())
	for line := range strings.Lines(out) {
		g.Expect(len(strings.TrimRight(line, "\n"))).To(BeNumerically("<=", 80), line)
	}
	g.Expect(out).NotTo(ContainSubstring("\x1b"), "colours are for terminals")
	g.Expect(out).To(And(
		HavePrefix("Karpenter 0.36.2 to 1.14.1, Kubernetes v1.36.3\n"),
		ContainSubstring("BLOCKERS (1)\n  WorkloadPinned\n    Deployment/shop/cart\n"),
		ContainSubstring("Waived: known since May"),
		ContainSubstring("1.0.8    in place; back to 0.36.2"),
		ContainSubstring("No return: v1beta1 goes"),
		HaveSuffix("BLOCKED: 1 blocker, 1 warning, 1 waived\n"),
	))
	g.Expect(strings.Index(out, "BLOCKERS")).To(BeNumerically("<", strings.Index(out, "WARNINGS")))
}

func TestAWaivedBlockerDoesNotBlock(t *testing.T) {
	r := example()
	r.Findings = r.Findings[1:]
	NewWithT(t).Expect(text(t, "table", r)).To(HaveSuffix("CLEAR TO RUN: 0 blockers, 1 warning, 1 waived\n"))
}

func TestMachinesReadAllOfIt(t *testing.T) {
	g := NewWithT(t)
	var fromJSON, fromYAML Report
	g.Expect(json.Unmarshal([]byte(text(t, "json", example())), &fromJSON)).To(Succeed())
	g.Expect(&fromJSON).To(Equal(example()))
	g.Expect(yaml.Unmarshal([]byte(text(t, "yaml", example())), &fromYAML)).To(Succeed())
	g.Expect(&fromYAML).To(Equal(example()))
}

func TestMarkdownKeepsItsTables(t *testing.T) {
	g := NewWithT(t)
	out := text(t, "markdown", example())
	g.Expect(out).To(And(ContainSubstring("## Blockers (1)"), ContainSubstring(`kubectl edit \| less`), ContainSubstring("waived: known since May")))
}

func TestSARIF(t *testing.T) {
	g := NewWithT(t)
	doc := map[string]any{}
	g.Expect(json.Unmarshal([]byte(text(t, "sarif", example())), &doc)).To(Succeed())
	runs, _, err := unstructured.NestedSlice(doc, "runs")
	g.Expect(err).NotTo(HaveOccurred())
	results, _, err := unstructured.NestedSlice(runs[0].(map[string]any), "results")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(results).To(HaveLen(4))
	g.Expect(results[0]).To(And(HaveKeyWithValue("ruleId", "WorkloadPinned"), HaveKeyWithValue("level", "error"), Not(HaveKey("suppressions"))))
	g.Expect(results[1]).To(HaveKeyWithValue("suppressions", ConsistOf(HaveKeyWithValue("justification", "known since May"))))
	g.Expect(results[3]).To(HaveKeyWithValue("level", "note"))
}

func TestAFormatThatThereIsNot(t *testing.T) {
	_, err := Writer("xml")
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("table, json, yaml, markdown, sarif")))
}

func TestWrapLeavesLongWordsWhole(t *testing.T) {
	g := NewWithT(t)
	s := Style{Width: 20}
	g.Expect(s.Wrap("  ", "a --set="+strings.Repeat("x", 40)+" b")).To(Equal("  a\n  --set=" + strings.Repeat("x", 40) + "\n  b"))
	g.Expect(s.Wrap("  ", "")).To(BeEmpty())
}
