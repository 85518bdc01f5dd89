package phases

import (
	. "github.com/onsi/gomega"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/client-go/kubernetes"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/release"
)

// records are Helm's own of the releases in Karpenter's namespace.
func (w *world) records() *storage.Storage {
	w.t.Helper()
	clients, err := kubernetes.NewForConfig(shared.config)
	w.ok(err)
	return storage.Init(driver.NewSecrets(clients.CoreV1().Secrets(w.ns)))
}

// cutOff leaves a release as whoever worked on it leaves it when he is killed.
func (w *world) cutOff(name string, status helmrelease.Status) {
	w.t.Helper()
	records := w.records()
	last, err := records.Last(name)
	w.ok(err)
	last.SetStatus(status, "")
	w.ok(records.Update(last))
}

// helmRelease is a release in Karpenter's namespace, that must be there.
func (w *world) helmRelease(name string) *release.Release {
	w.t.Helper()
	r, err := shared.helm.Get(w.ctx(), w.ns, name)
	w.ok(err)
	return r
}

func (w *world) hasRelease(name string) bool {
	w.t.Helper()
	_, err := shared.helm.Get(w.ctx(), w.ns, name)
	if err != nil {
		w.Expect(err).To(MatchError(release.ErrNotFound))
	}
	return err == nil
}
