// Package drain decides how pods leave nodes: which may go now and how, which have to wait and for what, and which node is
// next. Its decisions are pure functions over what the caller saw; evicting is the one thing it does to a cluster.
//
// Its rules are those of the Eviction API and of Karpenter's own drain (sigs.k8s.io/karpenter pkg/utils/pod/scheduling.go),
// and gentler in one point: a workload without a PodDisruptionBudget is treated as if it allowed one disruption at a time.
package drain
