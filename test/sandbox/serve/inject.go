package serve

import (
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
)

// caBundle is where containers find the certificate authority of the emulated AWS endpoints.
const caBundle = "/etc/sandbox/aws-ca.crt"

// maxKnownPods bounds what is remembered of pods that are long gone.
const maxKnownPods = 10_000

// identities gives each pod an AWS identity, as EKS Pod Identity does, and knows whose an identity is, also after the
// pod has gone: the request log names pods. It is safe for concurrent use.
type identities struct {
	region string
	ca     string
	aws    netip.AddrPort
	api    netip.AddrPort
	direct []string // what is not asked for through the proxy

	mu    sync.Mutex
	pods  map[string]string // pod names by access key id
	order []string
}

func (ids *identities) inject(pod *corev1.Pod) podrunner.Injection {
	key := accessKeyID(pod.UID)
	ids.remember(key, pod.Name)
	endpoint := "http://" + ids.aws.String()
	env := []corev1.EnvVar{
		{Name: "KUBERNETES_SERVICE_HOST", Value: ids.api.Addr().String()},
		{Name: "KUBERNETES_SERVICE_PORT", Value: portOf(ids.api)},
		{Name: "KUBERNETES_SERVICE_PORT_HTTPS", Value: portOf(ids.api)},
		{Name: "AWS_REGION", Value: ids.region},
		{Name: "AWS_DEFAULT_REGION", Value: ids.region},
		{Name: "AWS_ACCESS_KEY_ID", Value: key},
		{Name: "AWS_SECRET_ACCESS_KEY", Value: "the-emulator-verifies-no-signatures"},
		// Version 2 of the AWS SDK is told the endpoint; version 1 cannot be, but goes through a proxy.
		{Name: "AWS_ENDPOINT_URL", Value: endpoint},
		{Name: "HTTPS_PROXY", Value: endpoint},
		{Name: "NO_PROXY", Value: strings.Join(ids.direct, ",")},
		{Name: "AWS_CA_BUNDLE", Value: caBundle},
	}
	return podrunner.Injection{Env: env, Files: map[string]string{caBundle: ids.ca}}
}

func (ids *identities) remember(key, pod string) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if _, known := ids.pods[key]; known {
		return
	}
	ids.pods[key] = pod
	ids.order = append(ids.order, key)
	if len(ids.order) > maxKnownPods {
		delete(ids.pods, ids.order[0])
		ids.order = ids.order[1:]
	}
}

// podOf returns the name of the pod that an access key id was made for, "" for a foreign one.
func (ids *identities) podOf(key string) string {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return ids.pods[key]
}

// accessKeyID has the form of an IAM user's and is derived from the pod.
func accessKeyID(uid types.UID) string {
	sum := sha256.Sum256([]byte(uid))
	return "AKIA" + base32.StdEncoding.EncodeToString(sum[:])[:16]
}

func portOf(a netip.AddrPort) string {
	_, port, _ := strings.Cut(a.String(), ":") // addresses of a sandbox are IPv4
	return port
}
