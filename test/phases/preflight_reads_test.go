package phases

import (
	"net/http"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
)

func TestPreflightReadsNoMoreThanItNeeds(t *testing.T) {
	w := preflightWorld(t)
	var mu sync.Mutex
	asked := map[string][]string{}
	config := rest.CopyConfig(shared.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(in *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[in.URL.Path] = append(asked[in.URL.Path], in.URL.RawQuery+" "+in.Header.Get("Accept"))
			return next.RoundTrip(in)
		})
	})
	w.connect(config)
	w.Expect(w.blockers()).To(BeEmpty())
	w.Expect(w.run.Status.Plan.Nodes).To(Equal(int32(2)))
	w.Expect(asked["/api/v1/nodes"]).To(ConsistOf(ContainSubstring("as=PartialObjectMetadataList"), ContainSubstring("labelSelector=%21karpenter.sh%2Fnodepool")),
		"of the nodes of NodePools only the labels")
	w.Expect(asked["/apis/karpenter.sh/v1/nodeclaims"]).To(HaveEach(ContainSubstring("limit=500 ")), "page by page")
	w.Expect(asked["/api/v1/pods"]).To(HaveEach(Or(
		ContainSubstring("limit=500 "),
		ContainSubstring("labelSelector=app.kubernetes.io%2Fname+in+%28karpenter%2Ckarpenter-upgrade-operator%29"), ContainSubstring("fieldSelector=spec.nodeName"),
	)), "pods of Karpenter and of this operator, and those beside which they would run")
}
