package kwok

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/itchyny/gojq"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func TestConfigRefusesImpossibleRanges(t *testing.T) {
	g := NewWithT(t)
	p := DefaultPace()
	g.Expect(p.Validate()).To(Succeed())
	p.PodStart = Between(2*time.Second, time.Second)
	_, err := Config(p)
	g.Expect(err).To(MatchError(ContainSubstring("pace podStart: from 2s to 1s is no range")))
	p.PodStart = Between(-time.Second, time.Second)
	_, err = Config(p)
	g.Expect(err).To(MatchError(ContainSubstring("from -1s to 1s")))
}

func TestConfigHasStagesForNodesAndPods(t *testing.T) {
	g := NewWithT(t)
	config, err := Config(DefaultPace())
	g.Expect(err).NotTo(HaveOccurred())
	names := map[string]string{}
	for doc := range bytes.SplitSeq(config, []byte("---\n")) {
		if len(doc) == 0 {
			continue
		}
		var s stage
		g.Expect(yaml.UnmarshalStrict(doc, &s)).To(Succeed())
		g.Expect(s.APIVersion + "/" + s.Kind).To(Equal("kwok.x-k8s.io/v1alpha1/Stage"))
		names[s.Metadata.Name] = s.Spec.ResourceRef.Kind
	}
	g.Expect(names).To(Equal(map[string]string{
		"node-ready": "Node", "node-heartbeat": "Node",
		"pod-start": "Pod", "pod-complete": "Pod", "pod-stop": "Pod", "pod-fail": "Pod",
	}))
}

// The expressions are KWOK's to evaluate, which it does with gojq.
func TestDelaysFollowPaceAnnotationsAndGracePeriods(t *testing.T) {
	pace := DefaultPace()
	pace.PodStart = Between(8*time.Second, 9*time.Second)
	pace.PodStop = Between(time.Second, 5*time.Second)
	grace := int64(3)
	zero := int64(0)
	for name, c := range map[string]struct {
		stage     string
		pod       metav1.ObjectMeta
		low, high string
	}{
		"start by pace":       {"pod-start", metav1.ObjectMeta{}, "8s", "9s"},
		"start by annotation": {"pod-start", metav1.ObjectMeta{Annotations: map[string]string{StartDelay: "90s"}}, "90s", "90s"},
		"another annotation":  {"pod-start", metav1.ObjectMeta{Annotations: map[string]string{"a": "b"}}, "8s", "9s"},
		"job by annotation":   {"pod-complete", metav1.ObjectMeta{Annotations: map[string]string{CompleteAfter: "10m"}}, "10m", "10m"},
		"stop by pace":        {"pod-stop", metav1.ObjectMeta{}, "1000ms", "5000ms"},
		"stop within grace":   {"pod-stop", metav1.ObjectMeta{DeletionGracePeriodSeconds: &grace}, "1000ms", "3000ms"},
		"stop at once":        {"pod-stop", metav1.ObjectMeta{DeletionGracePeriodSeconds: &zero}, "0ms", "0ms"},
		"stop by annotation":  {"pod-fail", metav1.ObjectMeta{Annotations: map[string]string{StopDelay: "20s"}}, "20s", "20s"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := stageNamed(g, pace, c.stage).Spec.Delay
			g.Expect(evaluate(g, d.DurationFrom.ExpressionFrom, c.pod)).To(ConsistOf(c.low))
			g.Expect(evaluate(g, d.JitterDurationFrom.ExpressionFrom, c.pod)).To(ConsistOf(c.high))
		})
	}
}

func TestOnePodStageMatchesAtATime(t *testing.T) {
	job := []metav1.OwnerReference{{Kind: "ReplicaSet"}, {Kind: "Job"}}
	now := metav1.Now()
	for name, c := range map[string]struct {
		meta  metav1.ObjectMeta
		phase string
		want  []string
	}{
		"new":              {metav1.ObjectMeta{}, "Pending", []string{"pod-start"}},
		"running":          {metav1.ObjectMeta{}, "Running", nil},
		"never ready":      {metav1.ObjectMeta{Annotations: map[string]string{Ready: "never"}}, "Pending", nil},
		"job":              {metav1.ObjectMeta{OwnerReferences: job}, "Running", []string{"pod-complete"}},
		"job done":         {metav1.ObjectMeta{OwnerReferences: job}, "Succeeded", nil},
		"deleted":          {metav1.ObjectMeta{DeletionTimestamp: &now}, "Running", []string{"pod-stop"}},
		"job deleted":      {metav1.ObjectMeta{DeletionTimestamp: &now, OwnerReferences: job, Finalizers: []string{"batch.kubernetes.io/job-tracking"}}, "Running", []string{"pod-fail"}},
		"job failed":       {metav1.ObjectMeta{DeletionTimestamp: &now, OwnerReferences: job, Finalizers: []string{"batch.kubernetes.io/job-tracking"}}, "Failed", nil},
		"job failed, free": {metav1.ObjectMeta{DeletionTimestamp: &now, OwnerReferences: job}, "Failed", []string{"pod-stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pod := map[string]any{"metadata": c.meta, "status": map[string]any{"phase": c.phase}}
			var got []string
			for _, s := range stages(DefaultPace()) {
				if s.Spec.ResourceRef.Kind == "Pod" && matches(g, s, pod) {
					got = append(got, s.Metadata.Name)
				}
			}
			g.Expect(got).To(Equal(c.want))
		})
	}
}

func stageNamed(g *WithT, p Pace, name string) stage {
	for _, s := range stages(p) {
		if s.Metadata.Name == name {
			return s
		}
	}
	g.Fail("there is no stage " + name)
	return stage{}
}

// matches evaluates a selector as KWOK does.
func matches(g *WithT, s stage, object any) bool {
	for _, e := range s.Spec.Selector.MatchExpressions {
		values := query(g, e.Key, object)
		found := false
		for _, v := range values {
			for _, want := range e.Values {
				found = found || v == want
			}
		}
		ok := map[string]bool{"In": found, "NotIn": !found, "Exists": len(values) > 0, "DoesNotExist": len(values) == 0}
		if !ok[e.Operator] {
			return false
		}
	}
	return true
}

func evaluate(g *WithT, expression string, meta metav1.ObjectMeta) []any {
	return query(g, expression, map[string]any{"metadata": meta})
}

// query is how KWOK evaluates an expression: errors count as no values, as nulls do.
func query(g *WithT, expression string, object any) []any {
	q, err := gojq.Parse(expression)
	g.Expect(err).NotTo(HaveOccurred(), expression)
	data, err := json.Marshal(object)
	g.Expect(err).NotTo(HaveOccurred())
	var plain any
	g.Expect(json.Unmarshal(data, &plain)).To(Succeed())
	var out []any
	for iter := q.Run(plain); ; {
		v, ok := iter.Next()
		if !ok {
			return out
		}
		if _, isErr := v.(error); isErr {
			return nil
		}
		if v != nil {
			out = append(out, v)
		}
	}
}
