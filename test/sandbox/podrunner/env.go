package podrunner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/kubectl/pkg/util/fieldpath"
	resourcehelper "k8s.io/kubectl/pkg/util/resource"
)

// objects reads what a pod's containers and volumes refer to. Both methods return the API server's errors.
type objects interface {
	configMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// defaultPath is what images set.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment collects a container's variables. Later ones win, as on a kubelet: what is injected, then envFrom, then
// env; each value of env may refer to those before it.
type environment struct {
	values map[string]string
}

func (e *environment) set(name, value string) { e.values[name] = value }

func (e *environment) lookup(name string) (string, bool) {
	v, ok := e.values[name]
	return v, ok
}

// list returns the variables as KEY=value, sorted.
func (e *environment) list() []string {
	out := make([]string, 0, len(e.values))
	for _, name := range slices.Sorted(maps.Keys(e.values)) {
		out = append(out, name+"="+e.values[name])
	}
	return out
}

// buildEnv returns a container's environment. The pod must have its node and addresses in spec and status.
func buildEnv(ctx context.Context, pod *corev1.Pod, c *corev1.Container, injected []corev1.EnvVar, read objects) (*environment, error) {
	env := &environment{values: map[string]string{"PATH": defaultPath, "HOME": "/home/nonroot", "HOSTNAME": hostname(pod)}}
	for _, v := range injected {
		env.set(v.Name, v.Value)
	}
	for i := range c.EnvFrom {
		if err := env.addAll(ctx, pod.Namespace, &c.EnvFrom[i], read); err != nil {
			return nil, err
		}
	}
	for i := range c.Env {
		v := &c.Env[i]
		if v.ValueFrom == nil {
			env.set(v.Name, expand(v.Value, env.lookup))
			continue
		}
		value, ok, err := valueFrom(ctx, pod, c, v.ValueFrom, read)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Name, err)
		}
		if ok {
			env.set(v.Name, value)
		}
	}
	return env, nil
}

// addAll adds every key of a ConfigMap or Secret.
func (e *environment) addAll(ctx context.Context, namespace string, from *corev1.EnvFromSource, read objects) error {
	values := map[string]string{}
	var optional *bool
	var err error
	switch {
	case from.ConfigMapRef != nil:
		optional = from.ConfigMapRef.Optional
		var cm *corev1.ConfigMap
		if cm, err = read.configMap(ctx, namespace, from.ConfigMapRef.Name); err == nil {
			values = cm.Data
		}
	case from.SecretRef != nil:
		optional = from.SecretRef.Optional
		var s *corev1.Secret
		if s, err = read.secret(ctx, namespace, from.SecretRef.Name); err == nil {
			for k, v := range s.Data {
				values[k] = string(v)
			}
		}
	}
	if err != nil {
		if apierrors.IsNotFound(err) && isTrue(optional) {
			return nil
		}
		return err
	}
	for k, v := range values {
		e.set(from.Prefix+k, v)
	}
	return nil
}

// valueFrom resolves one reference; ok is false for an optional one that leads nowhere.
func valueFrom(ctx context.Context, pod *corev1.Pod, c *corev1.Container, from *corev1.EnvVarSource, read objects) (value string, ok bool, err error) {
	switch {
	case from.FieldRef != nil:
		value, err = podField(pod, from.FieldRef.FieldPath)
		return value, err == nil, err
	case from.ResourceFieldRef != nil:
		value, err = containerResource(pod, c, from.ResourceFieldRef)
		return value, err == nil, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		cm, err := read.configMap(ctx, pod.Namespace, ref.Name)
		if err == nil {
			value, ok = cm.Data[ref.Key]
		}
		return optionalKey(value, ok, err, "ConfigMap", ref.Name, ref.Key, ref.Optional)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		s, err := read.secret(ctx, pod.Namespace, ref.Name)
		if err == nil {
			var data []byte
			data, ok = s.Data[ref.Key]
			value = string(data)
		}
		return optionalKey(value, ok, err, "Secret", ref.Name, ref.Key, ref.Optional)
	}
	return "", false, errors.New("the reference is of a kind that the sandbox does not know")
}

func optionalKey(value string, found bool, err error, kind, name, key string, optional *bool) (string, bool, error) {
	switch {
	case err == nil && found:
		return value, true, nil
	case isTrue(optional) && (err == nil || apierrors.IsNotFound(err)):
		return "", false, nil
	case err == nil:
		return "", false, fmt.Errorf("couldn't find key %s in %s %s", key, kind, name)
	}
	return "", false, err
}

// podField reads a field that the downward API offers.
func podField(pod *corev1.Pod, path string) (string, error) {
	switch path {
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return pod.Status.HostIP, nil
	case "status.podIP", "status.podIPs":
		return pod.Status.PodIP, nil
	}
	return fieldpath.ExtractFieldPathAsString(pod, path)
}

// containerResource reads a request or limit; a limit that is not set is the node's whole capacity.
func containerResource(pod *corev1.Pod, c *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	if ref.ContainerName != "" {
		i := slices.IndexFunc(pod.Spec.Containers, func(other corev1.Container) bool { return other.Name == ref.ContainerName })
		if i < 0 {
			return "", fmt.Errorf("there is no container %s", ref.ContainerName)
		}
		c = &pod.Spec.Containers[i]
	}
	c = c.DeepCopy()
	if name, ok := strings.CutPrefix(ref.Resource, "limits."); ok {
		if c.Resources.Limits == nil {
			c.Resources.Limits = corev1.ResourceList{}
		}
		if _, set := c.Resources.Limits[corev1.ResourceName(name)]; !set {
			c.Resources.Limits[corev1.ResourceName(name)] = nodeCapacity(corev1.ResourceName(name))
		}
	}
	return resourcehelper.ExtractContainerResourceValue(ref, c)
}

// nodeCapacity is what a host node offers of a resource.
func nodeCapacity(name corev1.ResourceName) resource.Quantity {
	return capacity()[name]
}

func isTrue(b *bool) bool { return b != nil && *b }

// hostname is the pod's host name as the container sees it.
func hostname(pod *corev1.Pod) string {
	name := pod.Spec.Hostname
	if name == "" {
		name = pod.Name
	}
	return strings.TrimRight(name[:min(len(name), 63)], "-.")
}
