// Package release reads and writes Helm releases. Helm stands behind one interface, Client, so that nothing else depends on
// its SDK. No call waits for workloads to become ready: with Karpenter's charts Helm's --wait proves nothing (a Deployment
// with one replica and maxUnavailable 1 counts as ready with no pod ready), so readiness is somebody else's to judge.
package release
