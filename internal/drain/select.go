package drain

import (
	"slices"
	"strings"
	"time"
)

// Node is a node that has to be emptied.
type Node struct {
	Name    string
	Created time.Time
	// Rank orders NodePools; the lowest moves first.
	Rank int
	// Last says that the node goes after all others that are not blocked: a controller that the run depends on runs there.
	Last bool
	// Draining says that emptying it has begun.
	Draining bool
	// Blocked says that nothing on it can move now: it does not keep others from their turn.
	Blocked bool
	// Leaving says that its NodeClaim is being deleted.
	Leaving bool
}

// Select says which nodes begin to be emptied now, so that at most limit are being emptied at the same time. Nodes that are
// blocked do not count, and neither do those that are empty and leaving. A node that must go last begins only when all others
// are gone or blocked.
func Select(nodes []Node, limit int) []string {
	var candidates []Node
	busy, others := 0, 0
	for _, n := range nodes {
		if !n.Last && !n.Blocked {
			others++
		}
		switch {
		case n.Leaving:
		case n.Draining:
			if !n.Blocked {
				busy++
			}
		default:
			candidates = append(candidates, n)
		}
	}
	slices.SortFunc(candidates, before)
	var out []string
	for _, n := range candidates {
		if n.Last && (others > 0 || busy > 0) || busy >= limit {
			break
		}
		busy++
		out = append(out, n.Name)
	}
	return out
}

func before(a, b Node) int {
	switch {
	case a.Last != b.Last && b.Last:
		return -1
	case a.Last != b.Last:
		return 1
	case a.Rank != b.Rank:
		return a.Rank - b.Rank
	case !a.Created.Equal(b.Created):
		return a.Created.Compare(b.Created)
	default:
		return strings.Compare(a.Name, b.Name)
	}
}

// NamespaceGate lets pods of one namespace after the other move: it returns which namespaces may move now, given those that
// still have pods to move. Namespaces that the order does not name follow together. A nil order lets all move.
func NamespaceGate(order []string, remaining map[string]bool) func(string) bool {
	if order == nil {
		return nil
	}
	ns := NamespaceTurn(order, remaining)
	return func(namespace string) bool { return ns == "" || namespace == ns }
}

// NamespaceTurn is the namespace whose turn it is; empty when it is that of all which the order does not name.
func NamespaceTurn(order []string, remaining map[string]bool) string {
	for _, ns := range order {
		if remaining[ns] {
			return ns
		}
	}
	return ""
}
