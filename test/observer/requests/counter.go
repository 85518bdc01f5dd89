package requests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"

	"k8s.io/client-go/rest"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/metrics"
)

const dispatched = "apiserver_flowcontrol_dispatched_requests_total"

// flow is what the API server counts separately: a FlowSchema with a priority level.
type flow struct{ schema, level string }

// Read returns how many requests an API server has dispatched since it started.
func Read(ctx context.Context, client rest.Interface) (Totals, error) {
	data, err := client.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	return parse(bytes.NewReader(data))
}

// Totals are the counters of an API server, which start at zero when it does.
type Totals map[flow]float64

func parse(r io.Reader) (Totals, error) {
	samples, err := metrics.Select(r, dispatched)
	if err != nil {
		return nil, err
	}
	out := Totals{}
	for _, s := range samples {
		out[flow{s.Labels["flow_schema"], s.Labels["priority_level"]}] += s.Value
	}
	return out, nil
}

// Counter counts requests from its first reading on, also across restarts of the API server, but for those between the last
// reading and the restart.
type Counter struct {
	last     Totals
	byClient map[string]int64
}

// Add takes a reading in.
func (c *Counter) Add(now Totals) {
	if c.last != nil {
		if c.byClient == nil {
			c.byClient = map[string]int64{}
		}
		for f, value := range now {
			if n := int64(grown(c.last[f], value)); n > 0 {
				c.byClient[clientOf(f.schema)] += n
			}
		}
	}
	c.last = now
}

// grown is by how much a counter grew, which begins at zero anew when its process does.
func grown(before, now float64) float64 {
	if now < before {
		return now
	}
	return now - before
}

// ByClient is how many requests each client sent.
func (c *Counter) ByClient() map[string]int64 {
	out := map[string]int64{}
	maps.Copy(out, c.byClient)
	return out
}
