//go:build e2e

package upgrade_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/scenario"
)

const (
	// buildTimeout is for a machine that has nothing built yet.
	buildTimeout = 30 * time.Minute
	// stageTimeout bounds a spec from the cluster that is up.
	stageTimeout = 12 * time.Minute
	// settle is how much longer than the run is observed.
	settle      = 5 * time.Second
	downTimeout = time.Minute
	// patience is how long a run may wait for a person.
	patience = 90 * time.Second
)

func TestUpgrade(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(klog.Background())
	RunSpecs(t, "Upgrade")
}

// play is one scenario, from a cluster with Karpenter 1.0.8, its nodes and workloads, the observer and the operator.
type play struct {
	*scenario.Stage
	observation *scenario.Observation
	dir         string
}

// stage brings everything up to where a run can begin, which may move the release to targetNamespace, if one is given.
func stage(ctx context.Context, name string, targetNamespace ...string) *play {
	GinkgoHelper()
	return stageFrom(ctx, name, []string{scenario.From, scenario.To}, targetNamespace...)
}

// stageFrom is stage with these versions of Karpenter, the one that is upgraded first.
func stageFrom(ctx context.Context, name string, versions []string, targetNamespace ...string) *play {
	GinkgoHelper()
	p := &play{dir: artifacts(name)}
	building, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	var err error
	p.Stage, err = scenario.StartFrom(building, "e2e-"+name, versions, false, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(p.strike)
	Expect(p.InstallBlue(ctx)).To(Succeed())
	Expect(p.ApplyWorkloads(ctx, func(missing []string) { GinkgoWriter.Println("not complete yet:", strings.Join(missing, ", ")) })).To(Succeed())
	p.observation, err = p.Observe(ctx, p.dir, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	Expect(p.InstallOperator(ctx, targetNamespace...)).To(Succeed())
	c, err := p.Look(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(len(c.Nodes)).To(BeNumerically(">=", 12), "nodes that Karpenter launched")
	return p
}

// artifacts is where a spec leaves its report.
func artifacts(name string) string {
	if dir := os.Getenv("ARTIFACTS"); dir != "" {
		return filepath.Join(dir, "upgrade-"+name)
	}
	return GinkgoT().TempDir()
}

// strike ends the observation and the sandbox. After a failure it says all it can about it.
func (p *play) strike(ctx context.Context) {
	if p.observation != nil {
		_, err := p.observation.Stop()
		Expect(err).NotTo(HaveOccurred())
	}
	if CurrentSpecReport().Failed() {
		p.Explain(ctx, GinkgoWriter)
		if os.Getenv("ARTIFACTS") != "" {
			Expect(p.KeepLogs(filepath.Join(p.dir, "logs"))).To(Succeed())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	Expect(p.Sandbox.Down(ctx)).To(Succeed())
}

// begin begins the run of the sample, changed.
func (p *play) begin(ctx context.Context, change func(*v1alpha1.KarpenterUpgrade)) *v1alpha1.KarpenterUpgrade {
	GinkgoHelper()
	run, err := p.Sample()
	Expect(err).NotTo(HaveOccurred())
	if change != nil {
		change(run)
	}
	Expect(p.Begin(ctx, run)).To(Succeed())
	return run
}

// end follows a run to its end, which must be in this phase.
func (p *play) end(ctx context.Context, run *v1alpha1.KarpenterUpgrade, phase v1alpha1.RunPhase) *v1alpha1.KarpenterUpgrade {
	GinkgoHelper()
	said := ""
	ended, err := p.Follow(ctx, run.Name, patience, func(now *v1alpha1.KarpenterUpgrade) {
		if line := string(now.Status.Phase) + " " + now.Status.Nodes.Progress + " " + now.Status.Message; line != said {
			said = line
			GinkgoWriter.Println(line)
		}
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(ended.Status.Phase).To(Equal(phase), ended.Status.Message)
	return ended
}

// observed ends the observation and returns what was seen, with what the cluster looks like.
func (p *play) observed(ctx context.Context) (scenario.Cluster, report.Report) {
	GinkgoHelper()
	select {
	case <-time.After(settle): //nolint:forbidigo // what comes after the run is watched in real time
	case <-ctx.Done():
	}
	r, err := p.observation.Stop()
	p.observation = nil
	Expect(err).NotTo(HaveOccurred())
	c, err := p.Look(ctx)
	Expect(err).NotTo(HaveOccurred())
	AddReportEntry("observed", ReportEntryVisibilityFailureOrVerbose, summary(r))
	return c, r
}

// summary is a report without what is long.
func summary(r report.Report) report.Report {
	r.Series = nil
	return r
}
