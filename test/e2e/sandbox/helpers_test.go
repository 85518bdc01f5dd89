//go:build e2e && linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
)

// Times are for a machine that has other things to do as well.
const (
	soon  = 60 * time.Second
	later = 3 * time.Minute
	poll  = 200 * time.Millisecond
)

// rig is a sandbox under test with its clients.
type rig struct {
	*WithT
	t       *testing.T
	sb      *sandbox.Sandbox
	client  *kubernetes.Clientset
	dynamic *dynamic.DynamicClient
}

// up starts a sandbox for the test, which ends with it.
func up(t *testing.T, o sandbox.Options) *rig {
	t.Helper()
	g := NewWithT(t)
	if o.Operator == "" {
		o.Operator = sandbox.NoOperator
	}
	o.Progress = &logWriter{t: t}
	sb, err := sandbox.Up(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if t.Failed() {
			keepLogs(t, sb)
		}
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		g.Expect(sb.Down(ctx)).To(Succeed())
	})
	return attach(t, sb)
}

func attach(t *testing.T, sb *sandbox.Sandbox) *rig {
	t.Helper()
	g := NewWithT(t)
	client, err := kubernetes.NewForConfig(sb.RESTConfig())
	g.Expect(err).NotTo(HaveOccurred())
	dyn, err := dynamic.NewForConfig(sb.RESTConfig())
	g.Expect(err).NotTo(HaveOccurred())
	return &rig{WithT: g, t: t, sb: sb, client: client, dynamic: dyn}
}

// logWriter passes progress on to the test's log.
type logWriter struct {
	t  *testing.T
	mu sync.Mutex
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

func keepLogs(t *testing.T, sb *sandbox.Sandbox) {
	t.Helper()
	dir := os.Getenv("ARTIFACTS")
	if dir == "" {
		return
	}
	to := filepath.Join(dir, sb.Name())
	if err := os.CopyFS(to, os.DirFS(filepath.Join(sb.Dir(), "logs"))); err != nil {
		t.Log("copying the logs:", err)
	}
}

// eventually polls without a hurry.
func (r *rig) eventually(actual any, within time.Duration) AsyncAssertion {
	r.t.Helper()
	return r.Eventually(actual, within, poll)
}

// pods returns the pods of a namespace that match a selector.
func (r *rig) pods(namespace, selector string) []corev1.Pod {
	list, err := r.client.CoreV1().Pods(namespace).List(r.t.Context(), metav1.ListOptions{LabelSelector: selector})
	r.Expect(err).NotTo(HaveOccurred())
	return list.Items
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// readyPods counts the ready ones.
func (r *rig) readyPods(namespace, selector string) func() int {
	return func() int {
		n := 0
		for _, p := range r.pods(namespace, selector) {
			if isReady(&p) {
				n++
			}
		}
		return n
	}
}

func (r *rig) pod(namespace, name string) func() *corev1.Pod {
	return func() *corev1.Pod {
		p, err := r.client.CoreV1().Pods(namespace).Get(r.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		return p
	}
}

// resources are the kinds that the tests' manifests have.
var resources = map[string]schema.GroupVersionResource{
	"karpenter.sh/v1beta1/NodePool":          {Group: "karpenter.sh", Version: "v1beta1", Resource: "nodepools"},
	"karpenter.sh/v1/NodePool":               {Group: "karpenter.sh", Version: "v1", Resource: "nodepools"},
	"karpenter.k8s.aws/v1beta1/EC2NodeClass": {Group: "karpenter.k8s.aws", Version: "v1beta1", Resource: "ec2nodeclasses"},
	"karpenter.k8s.aws/v1/EC2NodeClass":      {Group: "karpenter.k8s.aws", Version: "v1", Resource: "ec2nodeclasses"},
	"apps/v1/Deployment":                     {Group: "apps", Version: "v1", Resource: "deployments"},
	"batch/v1/Job":                           {Group: "batch", Version: "v1", Resource: "jobs"},
	"v1/Pod":                                 {Version: "v1", Resource: "pods"},
	"v1/Node":                                {Version: "v1", Resource: "nodes"},
	"v1/Namespace":                           {Version: "v1", Resource: "namespaces"},
	"v1/Service":                             {Version: "v1", Resource: "services"},
	"v1/Secret":                              {Version: "v1", Resource: "secrets"},
	"v1/ConfigMap":                           {Version: "v1", Resource: "configmaps"},
}

// apply creates the objects of a manifest; those without a namespace of their own go to "default".
func (r *rig) apply(manifest string) {
	r.t.Helper()
	docs := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		var u unstructured.Unstructured
		err := docs.Decode(&u)
		if errors.Is(err, io.EOF) {
			return
		}
		r.Expect(err).NotTo(HaveOccurred())
		gvr, known := resources[u.GetAPIVersion()+"/"+u.GetKind()]
		r.Expect(known).To(BeTrue(), "a manifest has %s %s", u.GetAPIVersion(), u.GetKind())
		var into dynamic.ResourceInterface = r.dynamic.Resource(gvr)
		if !clusterScoped(u.GetKind()) {
			namespace := u.GetNamespace()
			if namespace == "" {
				namespace = "default"
			}
			into = r.dynamic.Resource(gvr).Namespace(namespace)
		}
		// Webhooks and ServiceAccounts may come a moment later than what needs them.
		r.eventually(func() error {
			_, err := into.Create(r.t.Context(), &u, metav1.CreateOptions{})
			return err
		}, soon).Should(Succeed())
	}
}

func clusterScoped(kind string) bool {
	return kind == "NodePool" || kind == "EC2NodeClass" || kind == "Node" || kind == "Namespace"
}

// ask calls an HTTP endpoint of a pod, through the API server.
func (r *rig) ask(namespace, pod, path string) func() (string, error) {
	return func() (string, error) {
		data, err := r.client.CoreV1().RESTClient().Get().Namespace(namespace).Resource("pods").Name(pod + ":8080").
			SubResource("proxy").Suffix(path).DoRaw(r.t.Context())
		return string(data), err
	}
}

// logs returns what a pod has logged.
func (r *rig) logs(namespace, pod string, o *corev1.PodLogOptions) func() (string, error) {
	return func() (string, error) {
		stream, err := r.sb.Logs(r.t.Context(), namespace, pod, o)
		if err != nil {
			return "", err
		}
		defer stream.Close()
		data, err := io.ReadAll(stream)
		return string(data), err
	}
}

// buildApp builds the workload of testdata/app, once for all tests.
var buildApp = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sandbox-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "app")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/app")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", &buildError{err: err, output: out.String()}
	}
	return path, nil
})

type buildError struct {
	err    error
	output string
}

func (e *buildError) Error() string { return e.err.Error() + ": " + e.output }

// appImage is the workload as an image.
func appImage(t *testing.T) sandbox.Image {
	t.Helper()
	path, err := buildApp()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return sandbox.Image{Repository: "example.com/app", Tag: "*", Program: path, Path: "/app", User: 65532}
}
