//go:build e2e

package gitops_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/flux"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

const (
	// buildTimeout is for a machine that has nothing built yet.
	buildTimeout = 30 * time.Minute
	// stageTimeout bounds bringing up Flux, Karpenter and the operator.
	stageTimeout = 5 * time.Minute
	specTimeout  = 2 * time.Minute
	downTimeout  = time.Minute
	poll         = 250 * time.Millisecond
)

func TestGitOps(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(klog.Background())
	RunSpecs(t, "GitOps")
}

// stage brings up a sandbox in which Flux has installed Karpenter 1.0.8, CRDs first, and the operator beside it.
func stage(ctx context.Context) *scenario.Stage {
	GinkgoHelper()
	f, err := flux.Build(ctx, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	s, err := scenario.StartWith(ctx, sandbox.Options{
		Name: "e2e-gitops", Karpenter: []string{scenario.From, scenario.To}, Images: f.Images(), Progress: GinkgoWriter,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) {
		if CurrentSpecReport().Failed() {
			s.Explain(ctx, GinkgoWriter)
		}
		ctx, cancel := context.WithTimeout(ctx, downTimeout)
		defer cancel()
		Expect(s.Sandbox.Down(ctx)).To(Succeed())
	})
	ctx, cancel := context.WithTimeout(ctx, stageTimeout)
	defer cancel()
	Expect(f.Install(ctx, s.Client)).To(Succeed())
	Expect(flux.AddRegistry(ctx, s.Client, s.Sandbox.Registry().Pods+"/karpenter")).To(Succeed())
	Expect(flux.Apply(ctx, s.Client,
		flux.Release{Name: "karpenter-crd", Version: scenario.From, Target: workloads.Namespace, Values: map[string]any{
			"webhook": map[string]any{"enabled": true, "serviceName": workloads.Release, "serviceNamespace": workloads.Namespace},
		}},
		flux.Release{Name: workloads.Release, Version: scenario.From, Target: workloads.Namespace, After: "karpenter-crd", Values: map[string]any{
			"settings": map[string]any{"clusterName": sandbox.ClusterName, "interruptionQueue": sandbox.ClusterName},
		}},
	)).To(Succeed())
	Expect(s.InstallOperator(ctx)).To(Succeed())
	return s
}
