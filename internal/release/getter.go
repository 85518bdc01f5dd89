package release

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// getter gives Helm the operator's own connection: Helm otherwise reads kubeconfig files.
type getter struct {
	config    *rest.Config
	mapper    meta.RESTMapper
	namespace string
}

var _ genericclioptions.RESTClientGetter = (*getter)(nil)

func newGetter(config *rest.Config, mapper meta.RESTMapper, namespace string) *getter {
	return &getter{config: config, mapper: mapper, namespace: namespace}
}

// requestTimeout bounds each of Helm's requests: its storage takes no context.
const requestTimeout = 30 * time.Second

func (g *getter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.config)
	config.Timeout = requestTimeout
	return config, nil
}

func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	config, err := g.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	dc, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(dc), nil
}

func (g *getter) ToRESTMapper() (meta.RESTMapper, error) {
	return g.mapper, nil
}

func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, overrides)
}
