// Package metrics reads single metrics out of what programs expose in the Prometheus text format.
package metrics

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// maxLine is more than any line of the programs that are read.
const maxLine = 1 << 20

// Sample is one value of a metric.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Select returns the samples of one gauge or counter. All others are skipped without being parsed: a program may expose
// thousands.
func Select(r io.Reader, name string) ([]Sample, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var selected bytes.Buffer
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if ok && (strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, " ")) {
			selected.Write(lines.Bytes())
			selected.WriteByte('\n')
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading metric %s: %w", name, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&selected)
	if err != nil {
		return nil, fmt.Errorf("reading metric %s: %w", name, err)
	}
	var out []Sample
	for _, m := range families[name].GetMetric() { // without its type line a metric is untyped
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		out = append(out, Sample{Labels: labels, Value: m.GetUntyped().GetValue()})
	}
	return out, nil
}
