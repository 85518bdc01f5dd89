package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/workloads"
)

const (
	// From is the version that scenarios upgrade.
	From = "1.0.8"
	// FromBeta is the version that scenarios upgrade which has no v1 yet.
	FromBeta = "0.36.2"
	// To is the version that they upgrade to.
	To = "1.14.1"
	// OperatorNamespace is where the operator is installed.
	OperatorNamespace = "karpenter-upgrade-operator"
	// OperatorRelease is the operator's Helm release.
	OperatorRelease = "karpenter-upgrade-operator"

	chart            = "charts/karpenter-upgrade-operator"
	operatorReplicas = 2
	operatorTimeout  = 2 * time.Minute
	interval         = 250 * time.Millisecond
	callTimeout      = 30 * time.Second
)

// Stage is a sandbox in which a scenario plays.
type Stage struct {
	Sandbox *sandbox.Sandbox
	// Client reads and writes as the administrator, without a cache.
	Client client.Client
	Kube   kubernetes.Interface
	root   string
	from   string
}

// Start builds what a sandbox needs and brings one up with both versions of Karpenter. Its name must not be in use.
func Start(ctx context.Context, name string, detach bool, progress io.Writer) (*Stage, error) {
	return StartFrom(ctx, name, []string{From, To}, detach, progress)
}

// StartFrom is Start with these versions of Karpenter, the one that is upgraded first.
func StartFrom(ctx context.Context, name string, versions []string, detach bool, progress io.Writer) (*Stage, error) {
	return StartWith(ctx, sandbox.Options{Name: name, Karpenter: versions, Detach: detach, Progress: progress})
}

// StartWith is Start in a sandbox with these options, of which the first version of Karpenter is the one that is upgraded.
func StartWith(ctx context.Context, o sandbox.Options) (*Stage, error) {
	root, err := binaries.FindRoot("")
	if err != nil {
		return nil, err
	}
	sb, err := sandbox.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	s, err := connect(sb, root)
	if err != nil {
		return nil, errors.Join(err, sb.Down(context.WithoutCancel(ctx)))
	}
	s.from = o.Karpenter[0]
	return s, nil
}

func connect(sb *sandbox.Sandbox, root string) (*Stage, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
	if err != nil {
		return nil, err
	}
	c, err := client.New(sb.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to sandbox %s: %w", sb.Name(), err)
	}
	kube, err := kubernetes.NewForConfig(sb.RESTConfig())
	if err != nil {
		return nil, fmt.Errorf("connecting to sandbox %s: %w", sb.Name(), err)
	}
	return &Stage{Sandbox: sb, Client: c, Kube: kube, root: root}, nil
}

// InstallBlue installs the Karpenter that is upgraded, and waits until it leads.
func (s *Stage) InstallBlue(ctx context.Context) error {
	return workloads.InstallBlue(ctx, s.Sandbox, s.Client, s.from)
}

// ApplyWorkloads creates NodePools and workloads, and waits until Karpenter has launched nodes for all of them and they are
// complete. progress, if not nil, is told what is missing.
func (s *Stage) ApplyWorkloads(ctx context.Context, progress func(missing []string)) error {
	api := workloads.V1
	if s.from == FromBeta {
		api = workloads.V1beta1
	}
	if err := workloads.Apply(ctx, s.Client, api); err != nil {
		return err
	}
	return workloads.WaitReady(ctx, s.Client, progress)
}

// InstallOperator installs the operator by its chart and waits until its pods are Ready. It may move the release to targetNamespace,
// if one is given.
func (s *Stage) InstallOperator(ctx context.Context, targetNamespace ...string) error {
	_, err := s.Sandbox.InstallChart(ctx, OperatorRelease, OperatorNamespace, filepath.Join(s.root, chart), "", map[string]any{
		"replicas":  operatorReplicas,
		"image":     map[string]any{"repository": "sandbox.local/karpenter-upgrade-operator", "tag": "dev"},
		"karpenter": map[string]any{"namespace": workloads.Namespace, "release": workloads.Release, "targetNamespace": strings.Join(targetNamespace, "")},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	var ready int
	var last error
	err = wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		var pods []corev1.Pod
		pods, last = s.OperatorPods(ctx)
		ready = countReady(pods)
		return ready >= operatorReplicas, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the operator, of which %d of %d pods are Ready: %w", ready, operatorReplicas, errors.Join(err, last))
	}
	return nil
}

// OperatorPods are the operator's.
func (s *Stage) OperatorPods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := s.Client.List(ctx, &pods, client.InNamespace(OperatorNamespace), client.MatchingLabels{"app.kubernetes.io/instance": OperatorRelease})
	if err != nil {
		return nil, fmt.Errorf("listing the operator's pods: %w", err)
	}
	return pods.Items, nil
}

func countReady(pods []corev1.Pod) int {
	n := 0
	for i := range pods {
		for _, c := range pods[i].Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				n++
			}
		}
	}
	return n
}
