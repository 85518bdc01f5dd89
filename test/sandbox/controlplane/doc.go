// Package controlplane runs etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK as processes inside
// a sandbox, each with its own identity and certificate, and starts those that end again.
package controlplane

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"time"
)

// APIServerPort is where the API server listens inside the sandbox.
const APIServerPort = 6443

// Ports of the components' health endpoints; inside the sandbox nobody else uses them.
const (
	etcdPort              = 2379
	etcdPeerPort          = 2380
	controllerManagerPort = 10257
	schedulerPort         = 10259
	kwokPort              = 10247
)

// Settings are what a user may choose about the cluster.
type Settings struct {
	// Audit keeps an audit log (level Metadata) among the sandbox's logs.
	Audit bool `json:"audit,omitempty"`
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as lost; 40 s by default.
	NodeMonitorGracePeriod time.Duration `json:"nodeMonitorGracePeriod,omitempty"`
	// APIServerArgs are further arguments of kube-apiserver; they win over ours.
	APIServerArgs []string `json:"apiServerArgs,omitempty"`
}

// layout is where the cluster's files are and how its parts are reached.
type layout struct {
	dir         string // certificates, kubeconfigs and etcd's data, in memory
	logs        string
	gateway     netip.Addr
	serviceCIDR netip.Prefix
	fakePodCIDR netip.Prefix
}

func (l layout) file(name string) string { return filepath.Join(l.dir, name) }

func (l layout) kubeconfig(component string) string { return l.file(component + ".kubeconfig") }

// serverURL is the API server as processes inside the sandbox call it.
func (l layout) serverURL() string {
	return "https://" + netip.AddrPortFrom(l.gateway, APIServerPort).String()
}

func loopback(scheme string, port int) string {
	return scheme + "://127.0.0.1:" + strconv.Itoa(port)
}
