// Package scenario stages upgrades of Karpenter in a sandbox: the demo shows one, and end-to-end tests go through several. It
// starts the cluster, brings up the Karpenter to be upgraded with its workloads, installs the operator by its chart, begins a
// run, and says at the end whether the cluster is as it should be.
package scenario
