// Package podrunner is a small kubelet for the host nodes of a sandbox. It runs the containers of pods bound to these
// nodes as local programs: an image is a name for a program that was built from a Go module.
//
// What a pod's author meets is as on a real node: env with all its references, projected ServiceAccount tokens that are
// renewed, emptyDir, ConfigMap, Secret, projected and downward API volumes that follow their sources, init containers,
// startup, readiness and liveness probes (httpGet and tcpSocket), restart policies with back-off, graceful termination,
// statuses, conditions, events, node Leases, and logs through the kubelet's API.
//
// Left out, and refused by name where a pod asks for it: exec and gRPC probes, lifecycle hooks, volumes of other kinds,
// ephemeral containers. Resource limits are not enforced. There is no kube-proxy: cluster IPs do not answer.
package podrunner
