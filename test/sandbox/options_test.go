package sandbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/binaries"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/kwok"
)

func TestTheZeroOptionsAreComplete(t *testing.T) {
	g := NewWithT(t)
	var o Options
	g.Expect(o.complete()).To(Succeed())
	g.Expect(o.Name).To(Equal("default"))
	g.Expect(*o.Settings).To(Equal(DefaultSettings()))
	g.Expect(o.Backoff.Base).To(Equal(10 * time.Second))
	g.Expect(o.Home).NotTo(BeEmpty())
}

func TestWhatCannotBeIsRefusedBeforeAnythingIsDone(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	NewWithT(t).Expect(os.WriteFile(program, nil, 0o600)).To(Succeed())
	settings := func(change func(s *Settings)) *Settings {
		s := DefaultSettings()
		change(&s)
		return &s
	}
	for want, o := range map[string]Options{
		`sandbox name "a b" is not valid`: {Name: "a b"},
		"pace podStart: from 2s to 1s": {Settings: settings(func(s *Settings) {
			s.Pace.PodStart = kwok.Between(2*time.Second, time.Second)
		})},
		"the launch delay must not be negative":   {Settings: settings(func(s *Settings) { s.LaunchDelay = metav1.Duration{Duration: -1} })},
		"a repository and a program are required": {Images: []Image{{Program: "/bin/sh"}}},
		"reading the AWS account's seed":          {Seed: []byte("region: nowhere")},
		"is no program":                           {Images: []Image{{Repository: "app", Program: program}}},
	} {
		NewWithT(t).Expect(o.complete()).To(MatchError(ContainSubstring(want)))
	}
}

func TestParseImage(t *testing.T) {
	g := NewWithT(t)
	for in, want := range map[string]Image{
		"app=/bin/sh":                        {Repository: "app", Tag: "*", Program: "/bin/sh", Path: "/app", User: 65532},
		"localhost:5000/app:v1=/bin/sh":      {Repository: "localhost:5000/app", Tag: "v1", Program: "/bin/sh", Path: "/app", User: 65532},
		"registry.example.com/a/app=/bin/sh": {Repository: "registry.example.com/a/app", Tag: "*", Program: "/bin/sh", Path: "/app", User: 65532},
	} {
		g.Expect(ParseImage(in)).To(Equal(want), in)
	}
	for in, want := range map[string]string{
		"app":            "write <repository>[:<tag>]=<program>",
		"=/bin/sh":       "a repository and a program are required",
		"app=/no/such/x": "/no/such/x is no program",
		"app=/":          "/ is no program",
	} {
		_, err := ParseImage(in)
		g.Expect(err).To(MatchError(ContainSubstring(want)), in)
	}
}

func TestKarpenterVersionsAreThoseThatArePinned(t *testing.T) {
	g := NewWithT(t)
	all := []binaries.Module{{Name: "etcd"}, {Name: "karpenter-v1.0.8"}, {Name: "karpenter-v1.14.1"}}
	all[1].Source.Version, all[2].Source.Version = "v1.0.8", "v1.14.1"
	g.Expect(karpenterModules(all, nil)).To(HaveLen(2))
	g.Expect(karpenterModules(all, []string{})).To(BeEmpty(), "none may be asked for")
	g.Expect(karpenterModules(all, []string{"v1.14.1"})).To(ConsistOf(HaveField("Name", "karpenter-v1.14.1")))
	_, err := karpenterModules(all, []string{"1.2.0"})
	g.Expect(err).To(MatchError("there is no Karpenter 1.2.0 below hack/binaries; there are 1.0.8, 1.14.1"))
}

func TestKarpenterValues(t *testing.T) {
	g := NewWithT(t)
	k := Karpenter{Version: "1.0.8", Release: "blue", Namespace: "kube-system"}
	g.Expect(k.crdValues()).To(HaveKeyWithValue("webhook", And(
		HaveKeyWithValue("serviceName", "blue"), HaveKeyWithValue("serviceNamespace", "kube-system"))))
	k.Version = "v1.14.1"
	g.Expect(k.crdValues()).To(BeNil(), "its CRDs have no webhook")
	k.Values = map[string]any{"replicas": 1}
	g.Expect(k.values()).To(And(HaveKeyWithValue("replicas", 1), HaveKeyWithValue("settings", HaveKeyWithValue("clusterName", "sandbox"))))
}

func TestAttachToNothing(t *testing.T) {
	g := NewWithT(t)
	_, err := AttachIn(t.TempDir(), "none")
	g.Expect(err).To(MatchError("no such sandbox: none"))
	g.Expect(Down(t.Context(), t.TempDir(), "none")).To(MatchError("no such sandbox: none"))
	g.Expect(List(t.TempDir())).To(BeEmpty())
}
