package podrunner

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

// held is a namespace's ConfigMaps and Secrets.
type held struct {
	configMaps map[string]map[string]string
	secrets    map[string]map[string][]byte
}

func (h held) configMap(_ context.Context, _, name string) (*corev1.ConfigMap, error) {
	data, ok := h.configMaps[name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
	}
	return &corev1.ConfigMap{Data: data}, nil
}

func (h held) secret(_ context.Context, _, name string) (*corev1.Secret, error) {
	data, ok := h.secrets[name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	return &corev1.Secret{Data: data}, nil
}

func envPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-0", Namespace: "shop", UID: "u-1",
			Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": "hi"},
		},
		Spec: corev1.PodSpec{NodeName: "host-1", ServiceAccountName: "web", Containers: []corev1.Container{{
			Name: "main",
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
			},
		}}},
		Status: corev1.PodStatus{HostIP: "10.88.0.11", PodIP: "10.88.1.1"},
	}
}

func field(path string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
}

func resourceField(name string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: name}}
}

func configKey(name, key string, optional bool) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: &optional}}
}

func secretKey(name, key string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}}
}

func TestReferencesInEnv(t *testing.T) {
	read := held{
		configMaps: map[string]map[string]string{"settings": {"mode": "fast"}},
		secrets:    map[string]map[string][]byte{"keys": {"token": []byte("s3cret")}},
	}
	for name, c := range map[string]struct {
		from *corev1.EnvVarSource
		want string
	}{
		"name":             {field("metadata.name"), "web-0"},
		"namespace":        {field("metadata.namespace"), "shop"},
		"uid":              {field("metadata.uid"), "u-1"},
		"label":            {field("metadata.labels['app']"), "web"},
		"annotation":       {field("metadata.annotations['note']"), "hi"},
		"node":             {field("spec.nodeName"), "host-1"},
		"service account":  {field("spec.serviceAccountName"), "web"},
		"host IP":          {field("status.hostIP"), "10.88.0.11"},
		"pod IP":           {field("status.podIP"), "10.88.1.1"},
		"CPU request":      {resourceField("requests.cpu"), "1"}, // rounded up to the divisor 1
		"memory limit":     {resourceField("limits.memory"), "67108864"},
		"CPU limit unset":  {resourceField("limits.cpu"), "4"}, // the node's
		"config map":       {configKey("settings", "mode", false), "fast"},
		"secret":           {secretKey("keys", "token"), "s3cret"},
		"optional missing": {configKey("settings", "none", true), ""},
		"optional object":  {configKey("none", "none", true), ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pod := envPod()
			pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", ValueFrom: c.from}}
			env, err := buildEnv(t.Context(), pod, &pod.Spec.Containers[0], nil, read)
			g.Expect(err).NotTo(HaveOccurred())
			value, ok := env.lookup("X")
			g.Expect(value).To(Equal(c.want))
			g.Expect(ok).To(Equal(c.want != ""), "an optional variable is not set at all")
		})
	}
	for name, c := range map[string]struct {
		from *corev1.EnvVarSource
		want string
	}{
		"missing key":    {configKey("settings", "none", false), "variable X: couldn't find key none in ConfigMap settings"},
		"missing object": {secretKey("none", "token"), `variable X: secrets "none" not found`},
		"unknown kind":   {&corev1.EnvVarSource{FileKeyRef: &corev1.FileKeySelector{}}, "a kind that the sandbox does not know"},
		"unknown field":  {field("spec.priority"), "variable X"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := envPod()
			pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", ValueFrom: c.from}}
			_, err := buildEnv(t.Context(), pod, &pod.Spec.Containers[0], nil, read)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestLaterVariablesWinAndReferToEarlierOnes(t *testing.T) {
	g := NewWithT(t)
	read := held{configMaps: map[string]map[string]string{"all": {"FROM_MAP": "map", "BOTH": "map"}}}
	pod := envPod()
	c := &pod.Spec.Containers[0]
	c.EnvFrom = []corev1.EnvFromSource{
		{Prefix: "P_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "all"}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "none"}, Optional: ptr.To(true)}},
	}
	c.Env = []corev1.EnvVar{
		{Name: "P_BOTH", Value: "own"},
		{Name: "JOINED", Value: "$(P_FROM_MAP)-$(P_BOTH)-$(AWS_REGION)-$(LATER)"},
		{Name: "LATER", Value: "x"},
		{Name: "AWS_REGION", Value: "eu-west-1"},
	}
	env, err := buildEnv(t.Context(), pod, c, []corev1.EnvVar{{Name: "AWS_REGION", Value: "us-west-2"}}, read)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(env.list()).To(ContainElements(
		"P_FROM_MAP=map", "P_BOTH=own", "JOINED=map-own-us-west-2-$(LATER)", "AWS_REGION=eu-west-1", "HOSTNAME=web-0"))
}

func TestHostname(t *testing.T) {
	g := NewWithT(t)
	pod := envPod()
	g.Expect(hostname(pod)).To(Equal("web-0"))
	pod.Spec.Hostname = "other"
	g.Expect(hostname(pod)).To(Equal("other"))
	pod.Spec.Hostname = ""
	pod.Name = "karpenter-upgrade-operator-with-a-name-of-sixty-two-characters-x"
	g.Expect(hostname(pod)).To(Equal("karpenter-upgrade-operator-with-a-name-of-sixty-two-characters"))
}
