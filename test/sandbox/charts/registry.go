package charts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"helm.sh/helm/v3/pkg/chart/loader"
	helmregistry "helm.sh/helm/v3/pkg/registry"
)

// Path is the repository below which charts are, so that Karpenter's is oci://<address>/karpenter/karpenter.
const Path = "karpenter"

// headerTimeout bounds how long a client may take to say what it wants.
const headerTimeout = 10 * time.Second

// Ref is the OCI reference of a chart in the registry at address, without its version.
func Ref(address, chart string) string {
	return "oci://" + address + "/" + Path + "/" + chart
}

// Serve serves an empty OCI registry over plain HTTP on the listener until ctx ends.
func Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: headerTimeout,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the registry: %w", err)
	}
	return nil
}

// Client returns a Helm registry client for registries over plain HTTP that keeps no credentials.
func Client() (*helmregistry.Client, error) {
	c, err := helmregistry.NewClient(
		helmregistry.ClientOptPlainHTTP(),
		helmregistry.ClientOptWriter(io.Discard),
		helmregistry.ClientOptCredentialsFile(os.DevNull),
	)
	if err != nil {
		return nil, fmt.Errorf("making a registry client: %w", err)
	}
	return c, nil
}

// Push pushes chart packages to the registry at address, as helm push does.
func Push(address string, packages []string) error {
	client, err := Client()
	if err != nil {
		return err
	}
	for _, path := range packages {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("pushing a chart: %w", err)
		}
		c, err := loader.LoadFile(path)
		if err != nil {
			return fmt.Errorf("pushing chart %s: %w", path, err)
		}
		ref := fmt.Sprintf("%s/%s/%s:%s", address, Path, c.Name(), c.Metadata.Version)
		if _, err := client.Push(data, ref); err != nil {
			return fmt.Errorf("pushing chart %s: %w", ref, err)
		}
	}
	return nil
}
