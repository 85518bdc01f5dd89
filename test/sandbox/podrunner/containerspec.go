package podrunner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

// containerSpec turns a container of a pod into what is started. volumes are the directories of the pod's volumes.
func containerSpec(pod *corev1.Pod, c *corev1.Container, img Image, env *environment, volumes map[string]string) (container.Spec, error) {
	user, err := userOf(pod, c, img)
	if err != nil {
		return container.Spec{}, err
	}
	if c.Lifecycle != nil && (c.Lifecycle.PostStart != nil || c.Lifecycle.PreStop != nil) {
		return container.Spec{}, errors.New("the sandbox has no lifecycle hooks")
	}
	spec := container.Spec{
		Argv:         command(c, img, env),
		Env:          env.list(),
		Dir:          c.WorkingDir,
		Hostname:     hostname(pod),
		Files:        etcFiles(pod),
		ReadOnlyRoot: c.SecurityContext != nil && isTrue(c.SecurityContext.ReadOnlyRootFilesystem),
		UID:          int(user),
		GID:          int(groupOf(pod, c)),
		Groups:       groupsOf(pod),
		Mounts:       []container.Mount{{Source: img.Program, Target: img.Path, ReadOnly: true}},
	}
	mounts, err := volumeMounts(c, env, volumes)
	if err != nil {
		return container.Spec{}, err
	}
	spec.Mounts = append(spec.Mounts, mounts...)
	return spec, nil
}

// command follows the API's rules: a command replaces the image's program and its arguments, args only the latter.
func command(c *corev1.Container, img Image, env *environment) []string {
	argv, args := []string{img.Path}, img.Args
	if len(c.Command) > 0 {
		argv, args = c.Command, nil
	}
	if len(c.Args) > 0 {
		args = c.Args
	}
	var out []string
	for _, list := range [][]string{argv, args} {
		for _, s := range list {
			out = append(out, expand(s, env.lookup))
		}
	}
	return out
}

func userOf(pod *corev1.Pod, c *corev1.Container, img Image) (int64, error) {
	user, nonRoot := img.User, false
	if s := pod.Spec.SecurityContext; s != nil {
		user, nonRoot = ptr.Deref(s.RunAsUser, user), isTrue(s.RunAsNonRoot)
	}
	if s := c.SecurityContext; s != nil {
		user, nonRoot = ptr.Deref(s.RunAsUser, user), ptr.Deref(s.RunAsNonRoot, nonRoot)
	}
	if nonRoot && user == 0 {
		return 0, errors.New("container has runAsNonRoot and image will run as root")
	}
	return user, nil
}

func groupOf(pod *corev1.Pod, c *corev1.Container) int64 {
	var group int64
	if s := pod.Spec.SecurityContext; s != nil {
		group = ptr.Deref(s.RunAsGroup, group)
	}
	if s := c.SecurityContext; s != nil {
		group = ptr.Deref(s.RunAsGroup, group)
	}
	return group
}

func groupsOf(pod *corev1.Pod) []int {
	var groups []int
	if s := pod.Spec.SecurityContext; s != nil {
		for _, g := range s.SupplementalGroups {
			groups = append(groups, int(g))
		}
		if s.FSGroup != nil {
			groups = append(groups, int(*s.FSGroup))
		}
	}
	return groups
}

// etcFiles are the files in /etc that a container runtime writes.
func etcFiles(pod *corev1.Pod) map[string]string {
	hosts := "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
	if pod.Status.PodIP != "" {
		hosts += pod.Status.PodIP + "\t" + hostname(pod) + "\n"
	}
	for _, alias := range pod.Spec.HostAliases {
		hosts += alias.IP + "\t" + strings.Join(alias.Hostnames, "\t") + "\n"
	}
	return map[string]string{ //nolint:gosec // users without passwords
		"/etc/hosts":    hosts,
		"/etc/hostname": hostname(pod) + "\n",
		"/etc/passwd":   "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
		"/etc/group":    "root:x:0:\nnonroot:x:65532:\n",
	}
}

func volumeMounts(c *corev1.Container, env *environment, volumes map[string]string) ([]container.Mount, error) {
	var mounts []container.Mount
	for _, m := range c.VolumeMounts {
		source, ok := volumes[m.Name]
		if !ok {
			return nil, fmt.Errorf("there is no volume %s", m.Name)
		}
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = expand(m.SubPathExpr, env.lookup)
		}
		if sub != "" {
			if !validPath(sub) {
				return nil, fmt.Errorf("sub-path %q leaves the volume", sub)
			}
			source = filepath.Join(source, sub)
			if _, err := os.Stat(source); errors.Is(err, os.ErrNotExist) {
				if err := os.MkdirAll(source, 0o777); err != nil {
					return nil, fmt.Errorf("making sub-path %s: %w", sub, err)
				}
			}
		}
		mounts = append(mounts, container.Mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly})
	}
	return mounts, nil
}

// containerSpec resolves everything a container's start depends on and returns what to start. The error's reason is what a
// kubelet would show.
func (w *podWorker) containerSpec(ctx context.Context, c *corev1.Container) (container.Spec, Image, error) {
	img, err := w.deps.Images.Find(c.Image)
	if err != nil {
		return container.Spec{}, Image{}, startError{reason: "ErrImagePull", err: err}
	}
	pod := w.snapshot()
	injection := Injection{}
	if w.deps.Inject != nil {
		injection = w.deps.Inject(pod)
	}
	env, err := buildEnv(ctx, pod, c, injection.Env, w.deps.objects)
	if err != nil {
		return container.Spec{}, Image{}, startError{reason: "CreateContainerConfigError", err: err}
	}
	spec, err := containerSpec(pod, c, img, env, w.volumePaths())
	if err != nil {
		return container.Spec{}, Image{}, startError{reason: "CreateContainerConfigError", err: err}
	}
	maps.Copy(spec.Files, injection.Files)
	spec.Remap = w.deps.Remap
	return spec, img, nil
}

// startError is why a container does not start, with the reason that its status shows.
type startError struct {
	reason string
	err    error
}

func (e startError) Error() string { return e.err.Error() }
func (e startError) Unwrap() error { return e.err }
