package flux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
)

// Namespace is where Flux is installed.
const Namespace = "flux-system"

const (
	sourceController = "source-controller"
	helmController   = "helm-controller"
	// modulePrefix begins the names of the wrapper modules.
	modulePrefix = "flux-"
	// user is that of Flux's images.
	user         = 65534
	artifactPort = "9090"

	readyTimeout = 2 * time.Minute
	interval     = 250 * time.Millisecond
)

// Flux is what is needed to run Flux in a sandbox.
type Flux struct {
	controllers []controller
}

// controller is one of Flux's.
type controller struct {
	name, program string
	// source is the directory with its module's files.
	source string
}

// Build builds the controllers of the repository's wrapper modules where they are not built yet, which takes minutes.
func Build(ctx context.Context, progress io.Writer) (*Flux, error) {
	root, err := binaries.FindRoot("")
	if err != nil {
		return nil, err
	}
	cache, err := binaries.CacheRoot()
	if err != nil {
		return nil, err
	}
	b := binaries.NewBuilder(root, cache, progress)
	modules, err := b.Modules()
	if err != nil {
		return nil, err
	}
	f := &Flux{}
	for _, name := range []string{sourceController, helmController} {
		at := slices.IndexFunc(modules, func(m binaries.Module) bool { return m.Name == modulePrefix+name })
		if at < 0 {
			return nil, fmt.Errorf("there is no wrapper module %s below hack/binaries", modulePrefix+name)
		}
		built, err := b.Ensure(ctx, modules[at].Name)
		if err != nil {
			return nil, err
		}
		program, err := built.Path(modules[at].Name)
		if err != nil {
			return nil, err
		}
		source, err := b.ModuleDir(ctx, modules[at])
		if err != nil {
			return nil, err
		}
		f.controllers = append(f.controllers, controller{name: name, program: program, source: source})
	}
	return f, nil
}

// Images are the controllers, for the options of a sandbox.
func (f *Flux) Images() []sandbox.Image {
	out := make([]sandbox.Image, 0, len(f.controllers))
	for _, c := range f.controllers {
		out = append(out, sandbox.Image{Repository: "fluxcd/" + c.name, Program: c.program, Path: "/usr/local/bin/" + c.name, User: user})
	}
	return out
}

// Install installs Flux in a sandbox that has its Images, and waits until both controllers are ready.
func (f *Flux) Install(ctx context.Context, c client.Client) error {
	if err := create(ctx, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}); err != nil {
		return err
	}
	for _, controller := range f.controllers {
		if err := controller.install(ctx, c); err != nil {
			return fmt.Errorf("installing %s: %w", controller.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, controller := range f.controllers {
		if err := controller.ready(ctx, c); err != nil {
			return fmt.Errorf("waiting for %s: %w", controller.name, err)
		}
	}
	return nil
}

func (f controller) install(ctx context.Context, c client.Client) error {
	crds, err := filepath.Glob(filepath.Join(f.source, "config", "crd", "bases", "*.yaml"))
	if err != nil || len(crds) == 0 {
		return errors.Join(err, fmt.Errorf("there are no CRDs in %s", f.source))
	}
	for _, file := range crds {
		if err := createFile(ctx, c, file); err != nil {
			return err
		}
	}
	account := metav1.ObjectMeta{Namespace: Namespace, Name: f.name}
	if err := create(ctx, c, &corev1.ServiceAccount{ObjectMeta: account}); err != nil {
		return err
	}
	if err := f.permit(ctx, c); err != nil {
		return err
	}
	d, err := f.deployment()
	if err != nil {
		return err
	}
	return create(ctx, c, d)
}

// permit grants what Flux's installation grants: the rules of the module's role, Leases, and to helm-controller everything, since it
// installs whatever a chart has.
func (f controller) permit(ctx context.Context, c client.Client) error {
	role := &rbacv1.ClusterRole{}
	if err := read(filepath.Join(f.source, "config", "rbac", "role.yaml"), role); err != nil {
		return err
	}
	role.Name = "flux-" + f.name
	role.Rules = append(role.Rules, rbacv1.PolicyRule{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"},
	})
	if err := create(ctx, c, role); err != nil {
		return err
	}
	bound := map[string]string{role.Name: role.Name}
	if f.name == helmController {
		bound[role.Name+"-reconciler"] = "cluster-admin"
	}
	for name, role := range bound {
		err := create(ctx, c, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: Namespace, Name: f.name}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// deployment is the module's, made to run on a sandbox's host nodes, without DNS.
func (f controller) deployment() (*appsv1.Deployment, error) {
	d := &appsv1.Deployment{}
	if err := read(filepath.Join(f.source, "config", "manager", "deployment.yaml"), d); err != nil {
		return nil, err
	}
	d.Namespace = Namespace
	pod := &d.Spec.Template.Spec
	pod.ServiceAccountName = f.name
	pod.Tolerations = []corev1.Toleration{{Key: "CriticalAddonsOnly", Operator: corev1.TolerationOpExists}}
	pod.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: "karpenter.sh/nodepool", Operator: corev1.NodeSelectorOpDoesNotExist},
		}}},
	}}}
	container := &pod.Containers[0]
	container.Env = append(container.Env, corev1.EnvVar{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}})
	container.Args = slices.DeleteFunc(container.Args, func(arg string) bool { return arg == "--enable-leader-election" }) // one replica, and ready at once
	if f.name == sourceController {
		container.Args = append(container.Args, "--storage-adv-addr=$(POD_IP):"+artifactPort) // the later one counts
	} else {
		container.Args = append(container.Args, "--requeue-dependency=1s")
	}
	return d, nil
}

func (f controller) ready(ctx context.Context, c client.Client) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		d := &appsv1.Deployment{}
		last = c.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: f.name}, d)
		return last == nil && d.Status.ReadyReplicas > 0, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// read reads the one object in a file.
func read(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := sigsyaml.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

func createFile(ctx context.Context, c client.Client, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data))
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		if len(o.Object) == 0 {
			continue
		}
		if err := create(ctx, c, o); err != nil {
			return err
		}
	}
}

// create leaves what is there as it is.
func create(ctx context.Context, c client.Client, o client.Object) error {
	if err := c.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating %s: %w", o.GetName(), err)
	}
	return nil
}
