package main

import (
	"context"
	"io"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// lookAround says how to look around in the cluster that was left running, and how to stop it.
func (d *demo) lookAround(ctx context.Context) error {
	programs, err := binaries.Ensure(ctx, io.Discard, binaries.Kubernetes)
	if err != nil {
		return err
	}
	kubectl, err := programs.Path("kubectl")
	if err != nil {
		return err
	}
	d.screen.step("Look around",
		"The cluster is still running.",
		"",
		"  export KUBECONFIG="+d.stage.Sandbox.Kubeconfig(),
		"  alias kubectl="+kubectl,
		"  kubectl get karpenterupgrade",
		"  kubectl get nodepools,nodeclaims,nodes",
		"  kubectl logs -n karpenter deployment/karpenter",
		"",
		"Stop it by: go -C test run ./cmd/sandbox down --name "+d.name)
	return nil
}
