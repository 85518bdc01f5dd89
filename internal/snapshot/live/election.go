package live

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/lease"
)

// knob is a setting of Karpenter by which its releases stop electing one leader by the Lease that they share
// (sigs.k8s.io/karpenter pkg/operator/options/options.go 0.32 to 1.14; of these, 1.0 knows the first, and takes the Lease's
// namespace from SYSTEM_NAMESPACE).
type knob struct {
	env, flag string
	// harmless says that the value leaves the election as it is.
	harmless func(value, namespace string) bool
}

var knobs = []knob{
	{"DISABLE_LEADER_ELECTION", "disable-leader-election", func(value, _ string) bool {
		on, err := strconv.ParseBool(value)
		return err != nil || !on // Karpenter takes what it cannot read as its default, false
	}},
	{"LEADER_ELECT", "leader-elect", func(value, _ string) bool { // up to 0.37
		on, err := strconv.ParseBool(value)
		return err != nil || on
	}},
	{"LEADER_ELECTION_NAME", "leader-election-name", func(value, _ string) bool { return value == lease.Name }},
	{"LEADER_ELECTION_NAMESPACE", "leader-election-namespace", inNamespace},
	{"SYSTEM_NAMESPACE", "", inNamespace},
}

func inNamespace(value, namespace string) bool { return value == "" || value == namespace }

// hidden is the value of a variable that stands somewhere else than in the container.
const hidden = "(not readable)"

// electionSettings are the settings of a container, of a Deployment in this namespace, that change how it elects its leader, as
// they are written. More are the variables that it takes from elsewhere.
func electionSettings(namespace string, c *corev1.Container, more map[string]string) []string {
	vars := environment(c, more)
	var out []string
	for _, k := range knobs {
		if value, set := vars[k.env]; set && (value == hidden || !k.harmless(value, namespace)) {
			out = append(out, k.env+"="+value)
		}
		if value, set := argument(slices.Concat(c.Command, c.Args), k.flag); set && !k.harmless(value, namespace) {
			out = append(out, "--"+k.flag+"="+value)
		}
	}
	return out
}

// environment is what the container's process sees: of two variables of one name the later one holds.
func environment(c *corev1.Container, more map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range more {
		out[name] = value
	}
	for _, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
			out[e.Name] = e.Value
		case e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.namespace":
			out[e.Name] = ""
		default:
			out[e.Name] = hidden
		}
	}
	return out
}

// argument reads a flag as Go's package flag does.
func argument(args []string, name string) (value string, set bool) {
	if name == "" {
		return "", false
	}
	for i, arg := range args {
		given, value, assigned := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		switch {
		case given != name || !strings.HasPrefix(arg, "-"):
		case assigned:
			return value, true
		case strings.HasPrefix(name, "disable-"):
			return "true", true
		case i+1 < len(args):
			return args[i+1], true
		}
	}
	return "", false
}

// variables reads the variables that a container takes whole from ConfigMaps and Secrets of its namespace.
func (r *Reader) variables(ctx context.Context, namespace string, c *corev1.Container) (map[string]string, error) {
	out := map[string]string{}
	for _, from := range c.EnvFrom {
		data, err := r.source(ctx, namespace, from)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("reading what envFrom of container %s names: %w", c.Name, err)
		}
		for key, value := range data {
			out[from.Prefix+key] = value
		}
	}
	return out, nil
}

func (r *Reader) source(ctx context.Context, namespace string, from corev1.EnvFromSource) (map[string]string, error) {
	switch {
	case from.ConfigMapRef != nil:
		var found corev1.ConfigMap
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: from.ConfigMapRef.Name}, &found)
		return found.Data, err
	case from.SecretRef != nil:
		var found corev1.Secret
		if err := r.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: from.SecretRef.Name}, &found); err != nil {
			return nil, err
		}
		out := map[string]string{}
		for key, value := range found.Data {
			out[key] = string(value)
		}
		return out, nil
	default:
		return nil, nil
	}
}
