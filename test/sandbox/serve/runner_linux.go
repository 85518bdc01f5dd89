package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/controlplane"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/namespaces"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/pki"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/podrunner"
)

// startRunner plays the host nodes and returns when they are registered.
func (s *sandbox) startRunner(ctx context.Context, init []string) error {
	config, err := s.cluster.RESTConfig(controlplane.Kubelets)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("preparing the host nodes: %w", err)
	}
	serverTLS, err := s.kubeletTLS()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir.Run(), "pods")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("preparing the host nodes: %w", err)
	}
	canChangeUser, err := namespaces.CanChangeUser()
	if err != nil {
		return err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return fmt.Errorf("preparing the host nodes: %w", err)
	}
	s.runner = podrunner.New(podrunner.Config{
		Client:    client,
		Nodes:     s.nodes,
		Region:    s.cloud.seed.Region,
		Version:   s.cfg.Version,
		Kernel:    strings.TrimSpace(string(kernel)),
		Images:    s.cfg.Images,
		Launch:    launcher(init),
		Attach:    s.attach,
		Inject:    s.cloud.ids.inject,
		Remap:     canChangeUser,
		Dir:       dir,
		Logs:      filepath.Join(s.dir.Logs(), "pods"),
		ServerTLS: serverTLS,
		Backoff:   s.cfg.Backoff,
		Clock:     s.clock,
	})
	ready := make(chan struct{})
	s.background(ctx, "host nodes", func() error { return s.runner.Run(ctx, func() { close(ready) }) })
	if err := addClusterDNS(ctx, client); err != nil {
		return err
	}
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func launcher(init []string) podrunner.Launcher {
	return func(ctx context.Context, spec container.Spec, netns *os.File) (podrunner.Process, error) {
		p, err := container.Start(ctx, init, spec, netns)
		if err != nil {
			return nil, err // not p, which would be a non-nil interface
		}
		return p, nil
	}
}

func (s *sandbox) attach() (podrunner.PodNetwork, error) {
	e, err := s.network.Attach()
	if err != nil {
		return podrunner.PodNetwork{}, err
	}
	return podrunner.PodNetwork{IP: e.IP, NetNS: e.NetNS, Close: e.Close}, nil
}

// kubeletTLS lets nobody but the API server call the kubelet API.
func (s *sandbox) kubeletTLS() (*tls.Config, error) {
	ips := make([]net.IP, 0, len(s.nodes))
	for _, n := range s.nodes {
		ips = append(ips, n.IP.AsSlice())
	}
	pair, err := s.cluster.CA().Issue(pki.Request{CommonName: "system:node", IPs: ips})
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("preparing the kubelet API: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    s.cluster.CA().Pool(),
		VerifyConnection: func(c tls.ConnectionState) error {
			if name := c.PeerCertificates[0].Subject.CommonName; name != controlplane.KubeletClient {
				return fmt.Errorf("%s may not use the kubelet API", name)
			}
			return nil
		},
	}, nil
}

// addClusterDNS makes the Service of the cluster's DNS, which Karpenter looks up to tell nodes its address. Nothing
// stands behind it.
func addClusterDNS(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.CoreV1().Services(metav1.NamespaceSystem).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec: corev1.ServiceSpec{
			ClusterIP: "10.96.0.10",
			Selector:  map[string]string{"k8s-app": "kube-dns"},
			Ports: []corev1.ServicePort{
				{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP},
				{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return errors.Join(errors.New("adding the Service of the cluster's DNS"), err)
	}
	return nil
}
