package podrunner

import (
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
)

var testImage = Image{Repository: "app", Tag: "*", Program: "/host/app", Path: "/app", Args: []string{"--default"}, User: 65532}

func specOf(t *testing.T, change func(pod *corev1.Pod, c *corev1.Container)) (container.Spec, error) {
	t.Helper()
	pod := envPod()
	c := &pod.Spec.Containers[0]
	change(pod, c)
	env := &environment{values: map[string]string{"WHO": "me"}}
	return containerSpec(pod, c, testImage, env, map[string]string{"data": t.TempDir()})
}

func TestCommandAndArguments(t *testing.T) {
	for name, c := range map[string]struct {
		command, args, want []string
	}{
		"the image's":     {nil, nil, []string{"/app", "--default"}},
		"other arguments": {nil, []string{"--as=$(WHO)"}, []string{"/app", "--as=me"}},
		"other command":   {[]string{"/app", "run"}, nil, []string{"/app", "run"}},
		"both":            {[]string{"/bin/$(WHO)"}, []string{"x"}, []string{"/bin/me", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := specOf(t, func(_ *corev1.Pod, spec *corev1.Container) { spec.Command, spec.Args = c.command, c.args })
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Argv).To(Equal(c.want))
		})
	}
}

func TestSecurityContextOfTheContainerWins(t *testing.T) {
	g := NewWithT(t)
	s, err := specOf(t, func(*corev1.Pod, *corev1.Container) {})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]any{s.UID, s.GID, s.ReadOnlyRoot}).To(Equal([]any{65532, 0, false}), "the image's user")

	s, err = specOf(t, func(pod *corev1.Pod, c *corev1.Container) {
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: ptr.To[int64](1), RunAsGroup: ptr.To[int64](2), FSGroup: ptr.To[int64](3), SupplementalGroups: []int64{4},
		}
		c.SecurityContext = &corev1.SecurityContext{RunAsUser: ptr.To[int64](5), ReadOnlyRootFilesystem: ptr.To(true)}
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]any{s.UID, s.GID, s.ReadOnlyRoot, s.Groups}).To(Equal([]any{5, 2, true, []int{4, 3}}))

	_, err = specOf(t, func(pod *corev1.Pod, c *corev1.Container) {
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true)}
		c.SecurityContext = &corev1.SecurityContext{RunAsUser: ptr.To[int64](0)}
	})
	g.Expect(err).To(MatchError("container has runAsNonRoot and image will run as root"))
}

func TestVolumeMounts(t *testing.T) {
	g := NewWithT(t)
	s, err := specOf(t, func(_ *corev1.Pod, c *corev1.Container) {
		c.VolumeMounts = []corev1.VolumeMount{
			{Name: "data", MountPath: "/all", ReadOnly: true},
			{Name: "data", MountPath: "/mine", SubPathExpr: "users/$(WHO)"},
		}
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Mounts).To(HaveLen(3))
	g.Expect(s.Mounts[0]).To(Equal(container.Mount{Source: "/host/app", Target: "/app", ReadOnly: true}))
	g.Expect(s.Mounts[1].ReadOnly).To(BeTrue())
	g.Expect(s.Mounts[2]).To(Equal(container.Mount{Source: filepath.Join(s.Mounts[1].Source, "users/me"), Target: "/mine"}))
	g.Expect(s.Mounts[2].Source).To(BeADirectory())

	for want, m := range map[string]corev1.VolumeMount{
		"there is no volume other":              {Name: "other", MountPath: "/x"},
		`sub-path "../up" leaves the volume`:    {Name: "data", MountPath: "/x", SubPath: "../up"},
		`sub-path "/etc/../" leaves the volume`: {Name: "data", MountPath: "/x", SubPath: "/etc/../"},
	} {
		_, err := specOf(t, func(_ *corev1.Pod, c *corev1.Container) { c.VolumeMounts = []corev1.VolumeMount{m} })
		g.Expect(err).To(MatchError(want))
	}
}

func TestWhatTheSandboxLacksIsRefused(t *testing.T) {
	_, err := specOf(t, func(_ *corev1.Pod, c *corev1.Container) {
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}}
	})
	NewWithT(t).Expect(err).To(MatchError("the sandbox has no lifecycle hooks"))
}
