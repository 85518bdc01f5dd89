package podrunner

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
)

type fixedToken string

func (f fixedToken) token(context.Context, *corev1.Pod, *corev1.ServiceAccountTokenProjection) (string, error) {
	return string(f), nil
}

func TestVolumeContents(t *testing.T) {
	r := volumeReader{tokens: fixedToken("jwt"), objects: held{
		configMaps: map[string]map[string]string{"kube-root-ca.crt": {"ca.crt": "CA"}, "settings": {"a": "1", "b": "2"}},
		secrets:    map[string]map[string][]byte{"keys": {"token": []byte("s3cret")}},
	}}
	name := corev1.LocalObjectReference{Name: "settings"}
	for title, c := range map[string]struct {
		source corev1.VolumeSource
		want   files
	}{
		"emptyDir":  {corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, nil},
		"configMap": {corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: name}}, files{"a": {"1", 0o644}, "b": {"2", 0o644}}},
		"items": {corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: name, DefaultMode: ptr.To[int32](0o600),
			Items: []corev1.KeyToPath{{Key: "a", Path: "deep/x"}, {Key: "b", Path: "y", Mode: ptr.To[int32](0o400)}},
		}}, files{"deep/x": {"1", 0o600}, "y": {"2", 0o400}}},
		"secret":           {corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "keys"}}, files{"token": {"s3cret", 0o644}}},
		"optional missing": {corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "none", Optional: ptr.To(true)}}, files{}},
		"downward API": {corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
			{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
		}}}, files{"labels": {`app="web"`, 0o644}}},
		"service account": {corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}}}},
		}}}, files{"token": {"jwt", 0o644}, "ca.crt": {"CA", 0o644}, "namespace": {"shop", 0o644}}},
	} {
		t.Run(title, func(t *testing.T) {
			got, err := r.read(t.Context(), envPod(), &corev1.Volume{Name: "v", VolumeSource: c.source})
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(got).To(Equal(c.want))
		})
	}
	for want, source := range map[string]corev1.VolumeSource{
		"volume v is of a kind that the sandbox does not have": {HostPath: &corev1.HostPathVolumeSource{Path: "/"}},
		`secrets "none" not found`:                             {Secret: &corev1.SecretVolumeSource{SecretName: "none"}},
		"Secret keys has no key x": {Secret: &corev1.SecretVolumeSource{
			SecretName: "keys", Items: []corev1.KeyToPath{{Key: "x", Path: "x"}}}},
	} {
		_, err := r.read(t.Context(), envPod(), &corev1.Volume{Name: "v", VolumeSource: source})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestAVolumesFilesChangeAllAtOnce(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "v")
	d, err := newVolumeDir(path, -1, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.update(files{"a": {"1", 0o644}, "deep/b": {"2", 0o400}})).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(path, "a"))).To(BeEquivalentTo("1"))
	info, err := os.Stat(filepath.Join(path, "deep", "b"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode()).To(Equal(fs.FileMode(0o400)))
	before, err := os.Readlink(filepath.Join(path, "..data"))
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(d.update(files{"a": {"1", 0o644}, "deep/b": {"2", 0o400}})).To(Succeed())
	g.Expect(os.Readlink(filepath.Join(path, "..data"))).To(Equal(before), "nothing changed, nothing is written")

	g.Expect(d.update(files{"a": {"3", 0o644}, "c": {"4", 0o644}})).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(path, "a"))).To(BeEquivalentTo("3"))
	g.Expect(os.ReadFile(filepath.Join(path, "c"))).To(BeEquivalentTo("4"))
	entries, err := os.ReadDir(path)
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	g.Expect(names).To(ConsistOf("a", "c", "..data", "..2"))

	g.Expect(d.update(files{"../escape": {"x", 0o644}})).To(MatchError(ContainSubstring("is no path inside the volume")))
}

func TestTokensAreBoundToThePodAndRenewedInTime(t *testing.T) {
	g := NewWithT(t)
	clk := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	client := fake.NewClientset()
	var requests []authenticationv1.TokenRequestSpec
	client.PrependReactor("create", "serviceaccounts", func(action clienttesting.Action) (bool, runtime.Object, error) {
		r := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest).DeepCopy()
		requests = append(requests, r.Spec)
		r.Status.Token = "jwt-" + time.Duration(len(requests)).String()
		r.Status.ExpirationTimestamp = metav1.NewTime(clk.Now().Add(time.Duration(*r.Spec.ExpirationSeconds) * time.Second))
		return true, r, nil
	})
	r := newTokenRequester(client, clk)
	get := func(audience string) string {
		token, err := r.token(t.Context(), envPod(), &corev1.ServiceAccountTokenProjection{Audience: audience, ExpirationSeconds: ptr.To[int64](1000)})
		g.Expect(err).NotTo(HaveOccurred())
		return token
	}
	first := get("sts.amazonaws.com")
	g.Expect(requests[0].Audiences).To(ConsistOf("sts.amazonaws.com"))
	g.Expect(requests[0].BoundObjectRef).To(Equal(&authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: "web-0", UID: "u-1"}))
	clk.SetTime(clk.Now().Add(799 * time.Second))
	g.Expect(get("sts.amazonaws.com")).To(Equal(first))
	g.Expect(get("other")).NotTo(Equal(first))
	clk.SetTime(clk.Now().Add(2 * time.Second))
	g.Expect(get("sts.amazonaws.com")).NotTo(Equal(first), "four fifths of its life are over")
	count := len(requests)
	r.forget("u-1")
	get("sts.amazonaws.com")
	g.Expect(requests).To(HaveLen(count + 1))
}
