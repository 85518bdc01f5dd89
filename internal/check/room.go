package check

import (
	"fmt"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// room tries out where pods of one kind would go. It knows what Karpenter's chart uses: requests, one pod a node, and an even
// spread over zones.
type room struct {
	hosts       []snapshot.Host
	cpu, memory int64
	// alone says that no two of the pods may share a node.
	alone bool
	// skew is by how many pods one zone may be ahead of another; 0 for any.
	skew  int
	zones map[string]int
	// taken are how many of the pods a host has got.
	taken []int64
}

func newRoom(hosts []snapshot.Host, s *snapshot.Standby) *room {
	r := &room{hosts: hosts, zones: map[string]int{}, taken: make([]int64, len(hosts))}
	r.cpu, r.memory = snapshot.Requests(&s.Pod)
	r.alone, _ = snapshot.KeepsOff(&s.Pod, s.Labels) // one that cannot be read is refused by the API server, and told by it
	for i := range s.Pod.TopologySpreadConstraints {
		if c := &s.Pod.TopologySpreadConstraints[i]; c.TopologyKey == corev1.LabelTopologyZone && c.WhenUnsatisfiable == corev1.DoNotSchedule && selects(c, s.Labels) {
			r.skew = int(c.MaxSkew)
		}
	}
	for i := range hosts {
		r.zones[hosts[i].Zone()] = 0
	}
	return r
}

func selects(c *corev1.TopologySpreadConstraint, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
	return err == nil && selector.Matches(labels.Set(of))
}

// place puts as many of n pods as have a place, and says how many.
func (r *room) place(n int32) int32 {
	for placed := range n {
		at := r.next()
		if at < 0 {
			return placed
		}
		r.taken[at]++
		r.zones[r.hosts[at].Zone()]++
	}
	return n
}

// next is a host with room, in the zone that has the fewest of the pods; -1 when there is none.
func (r *room) next() int {
	best, fewest, least := -1, math.MaxInt, math.MaxInt
	for _, n := range r.zones {
		least = min(least, n)
	}
	for i := range r.hosts {
		n := r.zones[r.hosts[i].Zone()]
		if r.lacks(i) == "" && n < fewest && (r.skew == 0 || n+1-least <= r.skew) {
			best, fewest = i, n
		}
	}
	return best
}

// lacks says what a host lacks for one more of the pods; empty when it lacks nothing.
func (r *room) lacks(i int) string {
	h, n := &r.hosts[i], r.taken[i]
	switch {
	case h.Conflict != "":
		return "has " + h.Conflict + ", which its anti-affinity keeps it off"
	case r.alone && n > 0:
		return "has one of them already"
	case h.FreePods-n < 1:
		return "has no room for another pod"
	case h.FreeCPU-n*r.cpu < r.cpu:
		return fmt.Sprintf("has %dm of CPU free", h.FreeCPU-n*r.cpu)
	case h.FreeMemory-n*r.memory < r.memory:
		return fmt.Sprintf("has %s of memory free", memory(h.FreeMemory-n*r.memory))
	default:
		return ""
	}
}

func (r *room) want() string {
	return fmt.Sprintf("%dm of CPU and %s of memory", r.cpu, memory(r.memory))
}

// maxDescribed is how many hosts are described one by one.
const maxDescribed = 5

// describe says why no host takes another one.
func (r *room) describe() string {
	if len(r.hosts) == 0 {
		return "there is no such node that their node selector, affinity and tolerations let them on"
	}
	var out []string
	for i := range r.hosts[:min(len(r.hosts), maxDescribed)] {
		why := r.lacks(i)
		if why == "" {
			why = fmt.Sprintf("is in zone %s, which would be ahead of another by more than %d", r.hosts[i].Zone(), r.skew)
		}
		out = append(out, r.hosts[i].Name+" "+why)
	}
	if more := len(r.hosts) - maxDescribed; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}
