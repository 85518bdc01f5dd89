package controlplane

import (
	"errors"
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/pki"
)

// masters is the group that may do everything.
const masters = "system:masters"

// KubeletClient is the user as which the API server calls kubelets.
const KubeletClient = "kube-apiserver-kubelet-client"

// User is an identity towards the API server.
type User struct {
	Name   string
	Groups []string
}

// Users of the sandbox itself.
var (
	// Admin is the user of the kubeconfig that the host gets.
	Admin = User{Name: "sandbox-admin", Groups: []string{masters}}
	// Kubelets is the user as which the pod runner acts for all host nodes.
	Kubelets = User{Name: "sandbox:kubelets", Groups: []string{masters}}
	// Cloud is the user that makes and removes Node objects for instances.
	Cloud = User{Name: "sandbox:cloud", Groups: []string{masters}}

	kwokUser = User{Name: "sandbox:kwok", Groups: []string{masters}}
)

// identity is the cluster's certificate authority and what it issues.
type identity struct {
	ca     *pki.CA
	layout layout
}

// newIdentity makes the authorities and writes every certificate and key that the components read.
func newIdentity(l layout, serverIPs []string, clk clock.PassiveClock) (*identity, error) {
	ca, err := pki.NewCA("sandbox", clk)
	if err != nil {
		return nil, err
	}
	frontProxyCA, err := pki.NewCA("sandbox-front-proxy", clk)
	if err != nil {
		return nil, err
	}
	dns, ips, err := pki.ServerNames(serverIPs...)
	if err != nil {
		return nil, err
	}
	id := &identity{ca: ca, layout: l}
	own, err := ca.Pair()
	if err != nil {
		return nil, err
	}
	saKey, saPub, err := pki.NewSigningKey()
	if err != nil {
		return nil, err
	}
	return id, errors.Join(
		id.write("ca", own, nil),
		id.issue("apiserver", ca, pki.Request{CommonName: "kube-apiserver", DNSNames: dns, IPs: ips}),
		id.issue("kubelet-client", ca, pki.Request{CommonName: KubeletClient, Organizations: []string{masters}}),
		writeFile(l.file("front-proxy-ca.crt"), frontProxyCA.CertPEM),
		id.issue("front-proxy-client", frontProxyCA, pki.Request{CommonName: "front-proxy-client"}),
		writeFile(l.file("sa.key"), saKey),
		writeFile(l.file("sa.pub"), saPub),
		id.kubeconfig("kube-controller-manager", User{Name: "system:kube-controller-manager"}),
		id.kubeconfig("kube-scheduler", User{Name: "system:kube-scheduler"}),
		id.kubeconfig("kwok", kwokUser),
	)
}

func (id *identity) issue(name string, ca *pki.CA, r pki.Request) error {
	pair, err := ca.Issue(r)
	return id.write(name, pair, err)
}

func (id *identity) write(name string, p pki.Pair, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(writeFile(id.layout.file(name+".crt"), p.CertPEM), writeFile(id.layout.file(name+".key"), p.KeyPEM))
}

func (id *identity) kubeconfig(component string, u User) error {
	data, err := id.newKubeconfig(id.layout.serverURL(), u)
	if err != nil {
		return err
	}
	return writeFile(id.layout.kubeconfig(component), data)
}

// newKubeconfig returns a kubeconfig with a certificate of its own for the user.
func (id *identity) newKubeconfig(server string, u User) ([]byte, error) {
	pair, err := id.ca.Issue(pki.Request{CommonName: u.Name, Organizations: u.Groups})
	if err != nil {
		return nil, err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["sandbox"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: id.ca.CertPEM}
	config.AuthInfos[u.Name] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.CertPEM, ClientKeyData: pair.KeyPEM}
	config.Contexts["sandbox"] = &clientcmdapi.Context{Cluster: "sandbox", AuthInfo: u.Name}
	config.CurrentContext = "sandbox"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("writing the kubeconfig of %s: %w", u.Name, err)
	}
	return data, nil
}

// restConfig returns a client configuration for use inside the sandbox.
func (id *identity) restConfig(u User) (*rest.Config, error) {
	pair, err := id.ca.Issue(pki.Request{CommonName: u.Name, Organizations: u.Groups})
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:            id.layout.serverURL(),
		TLSClientConfig: rest.TLSClientConfig{CAData: id.ca.CertPEM, CertData: pair.CertPEM, KeyData: pair.KeyPEM},
		UserAgent:       u.Name,
		QPS:             200,
		Burst:           400,
	}, nil
}

func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("preparing the control plane: %w", err)
	}
	return nil
}
