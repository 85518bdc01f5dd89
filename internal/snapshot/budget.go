package snapshot

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Budget is a PodDisruptionBudget.
type Budget struct {
	Namespace, Name string
	Selector        *metav1.LabelSelector
	// MinAvailable and MaxUnavailable as they are written; one of them is empty.
	MinAvailable, MaxUnavailable string
	// Expected is how many pods it counts, Desired how many of them must be healthy, Healthy how many are, and Allowed how many
	// disruptions it allows now. They are the disruption controller's, as it saw them last.
	Expected, Desired, Healthy, Allowed int32
	// Stale says that the disruption controller has not looked at its last change.
	Stale bool
	// Failed says why the disruption controller cannot work it out, in which case it allows nothing; empty when it can.
	Failed string
}

// Never says that it would allow no disruption even if all its pods were healthy.
func (b *Budget) Never() bool {
	return b.Failed != "" || NeverAllows(b.Expected, b.Desired)
}

// NeverAllows says that a budget that wants so many of its pods healthy would allow no disruption even if all were.
func NeverAllows(expected, desired int32) bool { return expected > 0 && desired >= expected }
