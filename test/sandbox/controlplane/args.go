package controlplane

import (
	"strconv"
	"time"
)

const defaultNodeMonitorGracePeriod = 40 * time.Second

// etcdArgs leaves out what makes etcd survive a crash of the machine: its data are in memory.
func etcdArgs(l layout) []string {
	client, peer := loopback("http", etcdPort), loopback("http", etcdPeerPort)
	return []string{
		"--data-dir=" + l.file("etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--log-level=warn",
	}
}

func apiServerArgs(l layout, s Settings) []string {
	args := []string{
		"--etcd-servers=" + loopback("http", etcdPort),
		"--bind-address=0.0.0.0",
		"--advertise-address=" + l.gateway.String(),
		"--secure-port=" + strconv.Itoa(APIServerPort),
		"--endpoint-reconciler-type=none", // nothing forwards the kubernetes Service; pods are told the address
		"--service-cluster-ip-range=" + l.serviceCIDR.String(),
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--profiling=false",
		// Webhooks and aggregated APIs are called at their pods' addresses, for there is no kube-proxy.
		"--enable-aggregator-routing=true",
		"--client-ca-file=" + l.file("ca.crt"),
		"--tls-cert-file=" + l.file("apiserver.crt"),
		"--tls-private-key-file=" + l.file("apiserver.key"),
		"--kubelet-client-certificate=" + l.file("kubelet-client.crt"),
		"--kubelet-client-key=" + l.file("kubelet-client.key"),
		"--kubelet-certificate-authority=" + l.file("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + l.file("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.file("front-proxy-client.crt"),
		"--proxy-client-key-file=" + l.file("front-proxy-client.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + l.file("sa.pub"),
		"--service-account-signing-key-file=" + l.file("sa.key"),
		"--max-requests-inflight=3000",
		"--max-mutating-requests-inflight=1000",
	}
	if s.Audit {
		args = append(args,
			"--audit-policy-file="+l.file("audit-policy.yaml"),
			"--audit-log-path="+l.logs+"/audit.log")
	}
	return append(args, s.APIServerArgs...)
}

func controllerManagerArgs(l layout, s Settings) []string {
	grace := s.NodeMonitorGracePeriod
	if grace == 0 {
		grace = defaultNodeMonitorGracePeriod
	}
	return []string{
		"--kubeconfig=" + l.kubeconfig("kube-controller-manager"),
		"--authentication-kubeconfig=" + l.kubeconfig("kube-controller-manager"),
		"--authorization-kubeconfig=" + l.kubeconfig("kube-controller-manager"),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(controllerManagerPort),
		"--leader-elect=false",
		"--profiling=false",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + l.file("ca.crt"),
		"--service-account-private-key-file=" + l.file("sa.key"),
		"--cluster-signing-cert-file=" + l.file("ca.crt"),
		"--cluster-signing-key-file=" + l.file("ca.key"),
		"--node-monitor-period=2s",
		"--node-monitor-grace-period=" + grace.String(),
		"--node-startup-grace-period=60s",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	}
}

func schedulerArgs(l layout) []string {
	return []string{
		"--config=" + l.file("scheduler.yaml"),
		"--authentication-kubeconfig=" + l.kubeconfig("kube-scheduler"),
		"--authorization-kubeconfig=" + l.kubeconfig("kube-scheduler"),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(schedulerPort),
	}
}

// schedulerConfig exists for the client's rates alone, for which the scheduler has no flags.
func schedulerConfig(l layout) string {
	return `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: ` + l.kubeconfig("kube-scheduler") + `
  qps: 200
  burst: 400
leaderElection:
  leaderElect: false
`
}

func kwokArgs(l layout) []string {
	return []string{
		"--kubeconfig=" + l.kubeconfig("kwok"),
		"--config=" + l.file("kwok.yaml"),
		"--manage-all-nodes=false",
		"--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
		"--node-lease-duration-seconds=40",
		"--cidr=" + l.fakePodCIDR.String(),
		"--server-address=127.0.0.1:" + strconv.Itoa(kwokPort),
	}
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`
