package report

import (
	"io"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// The parts of SARIF 2.1.0 (OASIS) that a report needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		LogicalLocations []sarifLogical `json:"logicalLocations"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// levels of SARIF by severity.
var levels = map[v1alpha1.Severity]string{
	v1alpha1.SeverityBlocker: "error", v1alpha1.SeverityWarning: "warning", v1alpha1.SeverityInfo: "note",
}

// SARIF writes a report in the Static Analysis Results Interchange Format 2.1.0, for tools that show findings of many programs.
func SARIF(w io.Writer, r *Report) error {
	run := sarifRun{Tool: sarifTool{Driver: sarifDriver{Name: "karpenter-upgrade", Rules: []sarifRule{}}}, Results: []sarifResult{}}
	known := map[string]bool{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if !known[f.Code] {
			known[f.Code] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: f.Code})
		}
		result := sarifResult{RuleID: f.Code, Level: levels[f.Severity], Message: sarifText{f.Why + " Fix: " + f.Fix}}
		for _, o := range f.Objects {
			result.Locations = append(result.Locations, sarifLocation{[]sarifLogical{{FullyQualifiedName: o, Kind: "resource"}}})
		}
		if f.Waived != "" {
			result.Suppressions = []sarifSuppression{{Kind: "external", Justification: f.Waived}}
		}
		run.Results = append(run.Results, result)
	}
	return encode(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}
