package api

import (
	"context"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/internal/envcluster"
)

// api talks to the API server that the tests share.
var api client.Client

func TestMain(m *testing.M) {
	os.Exit(envcluster.Main(m, func(_ context.Context, config *rest.Config) (func(), error) {
		scheme := runtime.NewScheme()
		if err := v1alpha1.AddToScheme(scheme); err != nil {
			return nil, err
		}
		var err error
		api, err = client.New(config, client.Options{Scheme: scheme})
		return nil, err
	}))
}
