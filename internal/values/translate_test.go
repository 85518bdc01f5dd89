package values

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stops are versions between which values changed, with the last before and the first after each change.
var stops = []string{
	"0.25.0", "0.26.1", "0.27.6", "0.28.1", "0.29.2", "0.30.0", "0.31.5", "0.32.0", "0.32.10", "0.33.0", "0.34.0", "0.35.0", "0.36.2",
	"0.37.0", "1.0.8", "1.1.0", "1.5.0", "1.14.1",
}

func v(s string) *semver.Version { return semver.MustParse(s) }

func file(t *testing.T, name string) map[string]any {
	t.Helper()
	doc, err := os.ReadFile("testdata/" + name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return read(t, string(doc))
}

func TestValuesOf0_26(t *testing.T) {
	given := file(t, "0.26.yaml")
	for _, to := range []string{"0.32.10", "0.36.2", "1.0.8", "1.5.0", "1.14.1"} {
		t.Run(to, func(t *testing.T) {
			g := NewWithT(t)
			out, notes := Translate(given, v("0.26.1"), v(to))
			g.Expect(given).To(Equal(file(t, "0.26.yaml")), "what is given is not changed")
			said := make([]string, 0, len(notes))
			for _, n := range notes {
				said = append(said, string(n.Severity)+" "+n.Key+": "+n.Why)
			}
			got, err := yaml.Marshal(map[string]any{"values": out, "notes": said})
			g.Expect(err).NotTo(HaveOccurred())
			golden := "testdata/0.26-to-" + to + ".yaml"
			if *update {
				g.Expect(os.WriteFile(golden, got, 0o600)).To(Succeed())
			}
			want, err := os.ReadFile(golden)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got)).To(Equal(string(want)), "go test ./internal/values -update writes it anew")
		})
	}
}

// Whoever goes in several steps ends with the same values as who goes at once.
func TestStepsOnTheWayDoNotMatter(t *testing.T) {
	given := file(t, "0.26.yaml")
	at := slices.Index(stops, "0.26.1")
	for i := at; i < len(stops); i++ {
		first, _ := Translate(given, v("0.26.1"), v(stops[i]))
		for _, to := range stops[i:] {
			second, _ := Translate(first, v(stops[i]), v(to))
			at1, _ := Translate(given, v("0.26.1"), v(to))
			NewWithT(t).Expect(second).To(Equal(at1), "0.26.1 over %s to %s", stops[i], to)
		}
	}
}

// A run translates again what it has translated: Cleanup looks at the release before and after it upgraded it.
func TestTranslatingAgainChangesNothing(t *testing.T) {
	given := file(t, "0.26.yaml")
	for _, to := range stops {
		once, _ := Translate(given, v("0.26.1"), v(to))
		twice, _ := Translate(once, v("0.26.1"), v(to))
		NewWithT(t).Expect(twice).To(Equal(once), to)
	}
}

func TestNothingIsTranslatedToTheSameOrAnOlderVersion(t *testing.T) {
	given := file(t, "0.26.yaml")
	for _, to := range []string{"0.26.1", "0.25.0"} {
		g := NewWithT(t)
		out, notes := Translate(given, v("0.26.1"), v(to))
		g.Expect(out).To(Equal(Carry(given)))
		g.Expect(notes).To(BeEmpty())
	}
}

func TestNotesTellNoValue(t *testing.T) {
	g := NewWithT(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	given := file(t, "0.26.yaml")
	for range 20 {
		var own []string
		secret := scrambled(given, rng, &own).(map[string]any)
		g.Expect(len(own)).To(BeNumerically(">", 30))
		for _, from := range stops {
			for _, to := range stops {
				_, notes := Translate(secret, v(from), v(to))
				for _, n := range notes {
					g.Expect(n.Severity).To(BeElementOf(v1alpha1.SeverityBlocker, v1alpha1.SeverityWarning))
					for _, s := range own {
						g.Expect(n.Key+n.Why+n.Fix).NotTo(ContainSubstring(s), "%s to %s", from, to)
					}
				}
			}
		}
	}
}

// scrambled puts a secret of its own in the place of each value but those by which rules recognise what they are for, sometimes.
func scrambled(v any, rng *rand.Rand, own *[]string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, below := range v {
			if slices.Contains([]string{"key", "operator", "name", "topologyKey"}, key) {
				out[key] = below
				continue
			}
			out[key] = scrambled(below, rng, own)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, scrambled(e, rng, own))
		}
		return out
	case string:
		*own = append(*own, fmt.Sprintf("s%016x", rng.Uint64()))
		return (*own)[len(*own)-1]
	}
	return v
}

func TestRules(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to, given, want string
		notes                 []string
	}{
		"0.32 took both forms, and the old one decides": {
			from: "0.32.5", to: "0.36.2",
			given: "{settings: {clusterName: new, aws: {clusterName: old}, interruptionQueue: q}, logEncoding: console}",
			want:  "{settings: {clusterName: old, interruptionQueue: q}, logConfig: {enabled: true, logEncoding: console}}",
		},
		"an old key that says nothing does not hide the new one": {
			from: "0.32.5", to: "0.33.0", given: "{settings: {clusterName: new, aws: {clusterName: ''}}}", want: "{settings: {clusterName: new}}",
		},
		"0.32 still gives all nodes tags and a profile": {
			from: "0.31.5", to: "0.32.10", given: "{settings: {aws: {tags: {a: b}, defaultInstanceProfile: p, clusterName: c}}}",
			want: "{settings: {clusterName: c, aws: {tags: {a: b}, defaultInstanceProfile: p}}}",
		},
		"defaults that are gone are not worth a word": {
			from: "0.31.5", to: "0.33.0",
			given: "{settings: {aws: {tags: null, defaultInstanceProfile: '', enablePodENI: false, enableENILimitedPodDensity: true}}}", want: "{}",
		},
		"a level alone needs no ConfigMap": {
			from: "0.31.5", to: "0.33.0", given: "{logLevel: info, controller: {logLevel: ''}}", want: "{logLevel: info}",
		},
		"the controller's own level decides": {
			from: "0.31.5", to: "1.0.8", given: "{logLevel: info, controller: {logLevel: debug}}", want: "{logLevel: debug}",
		},
		"a level that Karpenter does not take": {
			from: "0.31.5", to: "1.0.8", given: "{logLevel: warn}", want: "{}", notes: []string{"Warning logLevel"},
		},
		"the ConfigMap that was off had no effect": {
			from: "0.37.0", to: "1.0.8", given: "{logLevel: info, logConfig: {logEncoding: console, logLevel: {controller: debug}}}", want: "{logLevel: info}",
		},
		"the ConfigMap that was on": {
			from: "0.37.0", to: "1.0.8",
			given: "{logLevel: info, logConfig: {enabled: true, logEncoding: json, outputPaths: [a], errorOutputPaths: [b], logLevel: {global: debug}}}",
			want:  "{logLevel: info, logOutputPaths: [a], logErrorOutputPaths: [b]}",
		},
		"an own port of metrics stays": {
			from: "0.27.6", to: "1.14.1", given: "{controller: {metrics: {port: 9000}}}", want: "{controller: {metrics: {port: 9000}}}",
		},
		"the default port of metrics changes": {
			from: "0.36.2", to: "1.0.8", given: "{controller: {metrics: {port: 8000}}}", want: "{}", notes: []string{"Warning controller.metrics.port"},
		},
		"the default port of metrics is the same again": {
			from: "0.27.6", to: "1.0.8", given: "{controller: {metrics: {port: 8080}}}", want: "{}",
		},
		"an own fsGroup stays": {
			from: "0.29.2", to: "1.14.1", given: "{podSecurityContext: {fsGroup: 5}}", want: "{podSecurityContext: {fsGroup: 5}}",
		},
		"the fsGroup of 0.34": {
			from: "0.34.0", to: "1.14.1", given: "{podSecurityContext: {fsGroup: 65536, supplementalGroups: [1]}}", want: "{podSecurityContext: {supplementalGroups: [1]}}",
		},
		"the image as one string": {
			from: "0.25.0", to: "1.14.1", given: "{controller: {image: 'mirror:5000/karpenter:v0.25.0@sha256:aa'}}",
			want: "{controller: {image: {repository: 'mirror:5000/karpenter'}}}",
		},
		"the upstream image as one string": {
			from: "0.25.0", to: "1.14.1", given: "{controller: {image: 'public.ecr.aws/karpenter/controller:v0.24.0@sha256:83'}}", want: "{}",
		},
		"extra objects would be deleted": {
			from: "0.27.6", to: "0.28.1", given: "{extraObjects: [{kind: Provisioner}]}", want: "{}", notes: []string{"Blocker extraObjects"},
		},
		"no extra objects": {from: "0.27.6", to: "0.28.1", given: "{extraObjects: []}", want: "{}"},
		"a role to assume": {
			from: "0.37.0", to: "1.0.8", given: "{settings: {clusterName: c, assumeRoleARN: r, assumeRoleDuration: 15m}}", want: "{settings: {clusterName: c}}",
			notes: []string{"Blocker settings.assumeRoleARN"},
		},
		"no role to assume": {
			from: "0.37.0", to: "1.0.8", given: "{settings: {assumeRoleARN: '', assumeRoleDuration: 15m}}", want: "{}",
		},
		"drift cannot be off": {
			from: "0.37.0", to: "1.0.8", given: "{settings: {featureGates: {drift: false, spotToSpotConsolidation: true}}}",
			want: "{settings: {featureGates: {spotToSpotConsolidation: true}}}", notes: []string{"Warning settings.featureGates.drift"},
		},
		"1.0 needs its webhook": {
			from: "0.36.2", to: "1.0.8", given: "{webhook: {enabled: false, port: 9443}}", want: "{webhook: {enabled: true, port: 9443}}",
			notes: []string{"Warning webhook.enabled"},
		},
		"a patch that converts, and has the webhook off by default": {
			from: "0.36.2", to: "0.36.3", given: "{}", want: "{webhook: {enabled: true}}",
		},
		"a patch that does not convert": {
			from: "0.36.1", to: "0.36.2", given: "{webhook: {enabled: false}}", want: "{webhook: {enabled: false}}",
		},
		"1.1 has no webhook": {
			from: "1.0.8", to: "1.1.0", given: "{webhook: {enabled: true, port: 9443}, controller: {env: [{name: WEBHOOK_PORT, value: '1'}]}}", want: "{}",
		},
		"leader election is on": {
			from: "0.37.0", to: "1.0.8", given: "{controller: {env: [{name: LEADER_ELECT, value: 'true'}, {name: A, value: b}]}}",
			want: "{controller: {env: [{name: A, value: b}]}}",
		},
		"leader election is off": {
			from: "0.37.0", to: "1.0.8", given: "{controller: {env: [{name: LEADER_ELECT, value: 'false'}]}}",
			want: "{controller: {env: [{name: DISABLE_LEADER_ELECTION, value: 'true'}]}}",
		},
		"variables from a Secret stay": {
			from: "0.37.0", to: "1.0.8",
			given: "{controller: {env: [{name: LEADER_ELECT, valueFrom: {secretKeyRef: {name: a, key: b}}}, {name: ASSUME_ROLE_ARN, valueFrom: {secretKeyRef: {name: a, key: b}}}]}}",
			want:  "{controller: {env: [{name: LEADER_ELECT, valueFrom: {secretKeyRef: {name: a, key: b}}}, {name: ASSUME_ROLE_ARN, valueFrom: {secretKeyRef: {name: a, key: b}}}]}}",
			notes: []string{"Blocker controller.env", "Warning controller.env"},
		},
		"nodes are spread and told apart by their NodePool": {
			from: "0.32.10", to: "0.33.0",
			given: "{topologySpreadConstraints: [{topologyKey: karpenter.sh/provisioner-name}], nodeSelector: {karpenter.sh/provisioner-name: a}}",
			want:  "{topologySpreadConstraints: [{topologyKey: karpenter.sh/nodepool}], nodeSelector: {karpenter.sh/nodepool: a}}",
			notes: []string{"Warning nodeSelector"},
		},
		"a gate that was written large once": {
			from: "1.8.0", to: "1.14.1", given: "{settings: {featureGates: {StaticCapacity: true}}}", want: "{settings: {featureGates: {staticCapacity: true}}}",
		},
		"the Job of 1.0.0 is gone":              {from: "1.0.0", to: "1.0.8", given: "{postInstallHook: {image: {tag: a}}}", want: "{}"},
		"what no rule knows stays":              {from: "0.26.1", to: "1.14.1", given: "{settings: {aws: {mine: 1}}, x: y}", want: "{settings: {aws: {mine: 1}}, x: y}"},
		"a release candidate is as the release": {from: "1.0.8", to: "1.1.0-rc.1", given: "{webhook: {enabled: true}}", want: "{}"},
		"values of another shape are left alone": {
			from: "0.26.1", to: "1.14.1", given: "{controller: a, settings: [b], affinity: c, nodeSelector: null, logLevel: null}",
			want: "{controller: a, settings: [b], affinity: c, nodeSelector: null, logLevel: null}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out, notes := Translate(read(t, tc.given), v(tc.from), v(tc.to))
			g.Expect(out).To(Equal(read(t, tc.want)))
			var got []string
			for _, n := range notes {
				got = append(got, string(n.Severity)+" "+n.Key)
				g.Expect(n.Why).NotTo(BeEmpty())
				g.Expect(n.Fix).NotTo(BeEmpty())
			}
			g.Expect(got).To(Equal(tc.notes))
		})
	}
}

func TestANoteNamesTheKeyThatWasGiven(t *testing.T) {
	g := NewWithT(t)
	_, notes := Translate(read(t, "{settings: {aws: {assumeRoleARN: r}, featureGates: {driftEnabled: false}}, controller: {logLevel: warn}}"), v("0.26.1"), v("1.14.1"))
	var keys []string
	for _, n := range notes {
		keys = append(keys, n.Key)
	}
	g.Expect(keys).To(ConsistOf("settings.aws.assumeRoleARN", "settings.featureGates.driftEnabled", "controller.logLevel"))
}

func TestRulesAreInOrderAndSayWhereFrom(t *testing.T) {
	g := NewWithT(t)
	last := version(0, 0, 0)
	for _, r := range rules {
		g.Expect(r.source).NotTo(BeEmpty())
		if r.when == nil {
			g.Expect(r.since.LessThan(last)).To(BeFalse(), "%s after %s", r.since, last)
			last = r.since
		}
	}
}

func TestUnanswered(t *testing.T) {
	notes := []Note{{Key: "settings.aws.tags"}, {Key: "extraObjects"}, {Key: "settings.assumeRoleARN"}}
	for patch, want := range map[string][]Note{
		"{}": notes,
		"{extraObjects: null, settings: {assumeRoleARN: null}}": notes[:1],
		"{settings: {aws: {tags: {a: b}}}}":                     notes[1:],
		"{settings: null}":                                      notes[1:2],
		"{settings: {clusterName: a}}":                          notes,
	} {
		NewWithT(t).Expect(Unanswered(notes, read(t, patch))).To(Equal(want), patch)
	}
}

func TestCRDValues(t *testing.T) {
	to := Conversion{Namespace: "karpenter", Service: "karpenter-green", Port: 9443}
	of := "{webhook: {enabled: false, serviceName: karpenter, serviceNamespace: kube-system, port: 8443}}"
	for name, tc := range map[string]struct{ given, defaults, want string }{
		"a chart that converts": {
			"{}", of, "{webhook: {enabled: true, serviceName: karpenter-green, serviceNamespace: karpenter, port: 9443}}",
		},
		"values that name another release": {
			"{webhook: {enabled: false, serviceName: old, serviceNamespace: '', timeout: 3}, x: y}", of,
			"{webhook: {enabled: true, serviceName: karpenter-green, serviceNamespace: karpenter, port: 9443}}",
		},
		"a chart without values":     {"{webhook: {enabled: true}}", "{}", "{}"},
		"what the chart knows stays": {"{webhook: {enabled: true}, additionalAnnotations: {a: b}}", "{additionalAnnotations: {}}", "{additionalAnnotations: {a: b}}"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			given, defaults := read(t, tc.given), read(t, tc.defaults)
			g.Expect(CRDValues(given, defaults, to)).To(BeComparableTo(normal(t, tc.want)))
			g.Expect(given).To(Equal(read(t, tc.given)))
			g.Expect(defaults).To(Equal(read(t, tc.defaults)))
		})
	}
}

// normal reads whole numbers as the code writes them.
func normal(t *testing.T, doc string) map[string]any {
	t.Helper()
	out := read(t, doc)
	if webhook, ok := out["webhook"].(map[string]any); ok {
		webhook["port"] = int64(webhook["port"].(float64))
	}
	return out
}

func TestRedact(t *testing.T) {
	defaults := read(t, "{podDisruptionBudget: {name: karpenter}, settings: {clusterName: ''}}")
	given := read(t, `{podDisruptionBudget: {name: karpenter}, settings: {clusterName: 'top-secret {{ "x" }}', other: settings, short: yes}, controller: {env: [{name: A, value: top-secret}]}}`)
	for text, want := range map[string]string{
		`karpenter/templates/deployment.yaml: cannot parse template "top-secret {{ \"x\" }}": settings.clusterName`: `karpenter/templates/deployment.yaml: cannot parse template "(hidden)": settings.clusterName`,
		"top-secret is no number": "(hidden) is no number",
		"nothing of it":           "nothing of it",
	} {
		NewWithT(t).Expect(Redact(text, given, defaults)).To(Equal(want))
	}
}
