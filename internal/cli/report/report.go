// Package report writes plans of upgrades for people and for machines.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Report is what is said of an upgrade. Its JSON is for machines; fields are added to it and none is renamed.
type Report struct {
	// TakenAt is when the cluster was read, and Kubernetes its version.
	TakenAt    time.Time `json:"takenAt"`
	Kubernetes string    `json:"kubernetes"`
	// From and To are the versions; From is empty when no Karpenter was found.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Plan is nil when there can be none: a finding says why.
	Plan *v1alpha1.Plan `json:"plan,omitempty"`
	// Findings are all, worst first.
	Findings []v1alpha1.Finding `json:"findings"`
}

// open are the findings of a severity that are not waived, in order.
func (r *Report) open(severity v1alpha1.Severity) []v1alpha1.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f v1alpha1.Finding) bool { return f.Severity != severity || f.Waived != "" })
}

// waived are the findings that waivers cover.
func (r *Report) waived() []v1alpha1.Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f v1alpha1.Finding) bool { return f.Waived == "" })
}

// Write writes a report in one format.
type Write func(w io.Writer, r *Report, s Style) error

var writers = map[string]Write{
	"table":    Table,
	"markdown": func(w io.Writer, r *Report, _ Style) error { return Markdown(w, r) },
	"json":     func(w io.Writer, r *Report, _ Style) error { return encode(w, r) },
	"yaml":     func(w io.Writer, r *Report, _ Style) error { return encodeYAML(w, r) },
	"sarif":    func(w io.Writer, r *Report, _ Style) error { return SARIF(w, r) },
}

// formats are the names of writers, the usual one first.
var formats = []string{"table", "json", "yaml", "markdown", "sarif"}

// Formats are the formats that there are, for people.
func Formats() string { return strings.Join(formats, ", ") }

// Writer writes a format.
func Writer(format string) (Write, error) {
	w, ok := writers[format]
	if !ok {
		return nil, fmt.Errorf("--output %q is no format: take one of %s", format, Formats())
	}
	return w, nil
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func encodeYAML(w io.Writer, r *Report) error {
	doc, err := yaml.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(doc)
	return err
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// verdict says in one line how the upgrade stands.
func (r *Report) verdict() string {
	blockers, warnings, waived := len(r.open(v1alpha1.SeverityBlocker)), len(r.open(v1alpha1.SeverityWarning)), len(r.waived())
	said := fmt.Sprintf("%s, %s", count(blockers, "blocker"), count(warnings, "warning"))
	if waived > 0 {
		said += fmt.Sprintf(", %d waived", waived)
	}
	if blockers > 0 {
		return "BLOCKED: " + said
	}
	return "CLEAR TO RUN: " + said
}

// headline names the upgrade.
func (r *Report) headline() string {
	from := r.From
	if from == "" {
		from = "?"
	}
	return fmt.Sprintf("Karpenter %s to %s, Kubernetes %s", from, r.To, r.Kubernetes)
}

// hopLine says of a hop how it is gone, and where a rollback from there ends.
func hopLine(h *v1alpha1.Hop) (how, back string) {
	how = "beside the old one (blue-green)"
	if h.Strategy == v1alpha1.StrategyInPlace {
		how = "in place"
	}
	back = "no way back"
	if h.RollbackTo != "" {
		back = "back to " + h.RollbackTo
	}
	return how, back
}
