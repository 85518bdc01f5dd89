package observer

import (
	"context"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/metrics"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/record"
)

const (
	// sampleInterval is how often each controller is asked whether it leads.
	sampleInterval = 250 * time.Millisecond
	// sampleTimeout bounds one question.
	sampleTimeout = 2 * time.Second

	electionMetric = "leader_election_master_status"
)

// sampler asks controllers by their own metric whether they lead, through the API server's proxy.
type sampler struct {
	client kubernetes.Interface
	ledger *ledger
	clock  clock.WithTicker

	mu   sync.Mutex
	busy map[string]bool // pods that have not answered yet, by UID
	wg   sync.WaitGroup
}

// run asks until ctx ends, and returns when the last question is answered. A pod that is slow is not asked again before it
// answered, and does not hold up the others.
func (s *sampler) run(ctx context.Context) {
	ticker := s.clock.NewTicker(sampleInterval)
	defer ticker.Stop()
	defer s.wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			s.ledger.apply(record.Tick{})
			for _, c := range s.ledger.controllers() {
				s.ask(ctx, c)
			}
		}
	}
}

func (s *sampler) ask(ctx context.Context, c record.Controller) {
	if c.Port == 0 || !s.begin(c.UID) {
		return
	}
	s.wg.Go(func() {
		defer s.end(c.UID)
		e := record.Sample{UID: c.UID, Sent: s.clock.Now()}
		leads, err := s.leads(ctx, c)
		e.Received, e.Read, e.Leads = s.clock.Now(), err == nil, leads
		s.ledger.apply(e)
	})
}

func (s *sampler) begin(uid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[uid] {
		return false
	}
	s.busy[uid] = true
	return true
}

func (s *sampler) end(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, uid)
}

func (s *sampler) leads(ctx context.Context, c record.Controller) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	answer, err := s.client.CoreV1().Pods(c.Key.Namespace).ProxyGet("http", c.Key.Name, strconv.Itoa(c.Port), "metrics", nil).Stream(ctx)
	if err != nil {
		return false, err
	}
	defer answer.Close()
	samples, err := metrics.Select(answer, electionMetric)
	if err != nil {
		return false, err
	}
	for _, sample := range samples {
		if sample.Labels["name"] == electionLease && sample.Value == 1 {
			return true, nil
		}
	}
	return false, nil
}
