package observer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
)

// proxied stands in for the API server's proxy, which refuses pods at loopback addresses. It has two pods that say that they
// lead, one of which can be made to answer no more.
type proxied struct {
	one, two atomic.Int64 // questions
	hangs    atomic.Bool
}

func (p *proxied) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, leader := "karpenter-leader-election", 1
	switch strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/karpenter/pods/") {
	case "http:one:8080/proxy/metrics":
		p.one.Add(1)
	case "http:two:8080/proxy/metrics":
		p.two.Add(1)
		if p.hangs.Load() {
			<-r.Context().Done()
			return
		}
	case "http:three:8080/proxy/metrics":
		name = "of-something-else"
	default:
		http.NotFound(w, r)
	}
	fmt.Fprintf(w, "go_goroutines 12\nleader_election_master_status{name=%q} %d\n", name, leader)
}

func TestSampler(t *testing.T) {
	g := NewWithT(t)
	pods := &proxied{}
	api := httptest.NewServer(pods)
	t.Cleanup(api.Close)
	client, err := kubernetes.NewForConfig(&rest.Config{Host: api.URL, QPS: -1})
	g.Expect(err).NotTo(HaveOccurred())

	l := newLedger(clock.RealClock{}, nil, "")
	for name, port := range map[string]int{"one": 8080, "two": 8080, "three": 8080, "portless": 0} {
		l.apply(record.Controller{UID: name, Key: record.Key{Namespace: "karpenter", Name: name}, Running: true, Port: port})
	}
	l.apply(record.Synced{})
	s := &sampler{client: client, ledger: l, clock: clock.RealClock{}, busy: map[string]bool{}}
	go s.run(t.Context())

	g.Eventually(l.report, patience, "100ms").Should(HaveField("TwoLeaderSeconds", BeNumerically(">", 0.3)))
	g.Expect(l.report().Violations).To(ConsistOf(HaveField("Object", Equal("karpenter/one, karpenter/two"))))

	pods.hangs.Store(true)
	before := pods.two.Load()
	asked := pods.one.Load()
	g.Eventually(pods.one.Load, patience).Should(BeNumerically(">=", asked+5), "one that hangs does not hold up the others")
	g.Expect(pods.two.Load()).To(BeNumerically("<=", before+3), "it is not asked again before it has answered, or has been given up")
}
