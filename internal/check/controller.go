package check

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/addon"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// controllerChecks are about the controller that runs, what it is given, and what lies around it.
func controllerChecks() []Check {
	return []Check{
		{Code: "SourceVersionBad", Severity: v1alpha1.SeverityWarning, Find: sourceVersionBad},
		{Code: "CRDsBehind", Severity: v1alpha1.SeverityWarning, Find: crdsBehind},
		{Code: "CRDLeftover", Severity: v1alpha1.SeverityInfo, Find: crdLeftover},
		{Code: "ConversionElsewhere", Severity: v1alpha1.SeverityWarning, Find: conversionElsewhere},
		{Code: "ChartHasHook", Severity: v1alpha1.SeverityWarning, Find: chartHasHook},
		{Code: "GlobalSettingsIgnored", Severity: v1alpha1.SeverityInfo, Find: globalSettingsIgnored},
		{Code: "InterruptionQueueDropped", Severity: v1alpha1.SeverityWarning, Find: interruptionQueueDropped},
		{Code: "InterruptionQueueUnset", Severity: v1alpha1.SeverityInfo, Find: interruptionQueueUnset},
		{Code: "MetricsRenamed", Severity: v1alpha1.SeverityWarning, Find: metricsRenamed},
		{Code: "AddonIncompatible", Severity: v1alpha1.SeverityWarning, Find: addons(true)},
		{Code: "AddonOutdated", Severity: v1alpha1.SeverityInfo, Find: addons(false)},
		{Code: "PlatformUnreadable", Severity: v1alpha1.SeverityWarning, Find: platformUnreadable},
	}
}

// sourceVersion is the version that runs; nil when there is no plan, or when it cannot be read.
func (in Input) sourceVersion() *semver.Version {
	source := in.source()
	if source == nil {
		return nil
	}
	v, err := semver.NewVersion(source.Version)
	if err != nil {
		return nil
	}
	return v
}

func deploymentOf(source *snapshot.Installation) []string {
	return []string{fmt.Sprintf("Deployment/%s/%s", source.Namespace, source.Name)}
}

func sourceVersionBad(in Input) []Hit {
	v := in.sourceVersion()
	if v == nil {
		return nil
	}
	row, known := in.Catalog.Find(v)
	if !known || row.BadPatch(v.Patch()) == "" {
		return nil
	}
	return one(deploymentOf(in.source()), fmt.Sprintf("go to %s first, so that there is something good to go back to, or know what a rollback of this run leads to", row.Latest()),
		"a rollback leads back to %s, which must not be used: %s", v, row.BadPatch(v.Patch()))
}

// crdsBehind finds CRDs older than the controller that runs: Helm upgrades none that stand in a chart's directory crds, and a
// controller without its CRDs looks healthy and launches nothing (#7420, #5671).
func crdsBehind(in Input) []Hit {
	v := in.sourceVersion()
	if v == nil || v.LessThan(firstBeta) {
		return nil
	}
	state, known := in.Catalog.At(v)
	if !known {
		return nil
	}
	var objects []string
	for _, name := range slices.Sorted(maps.Keys(state.Kinds)) {
		c := in.Snapshot.CRD(name)
		missing := c == nil && !slices.Contains(coreCRDs, name) // which is a finding of its own
		if missing || (c != nil && state.Kinds[name].Stored == "v1" && !hasVersion(c, "v1")) {
			objects = append(objects, "CustomResourceDefinition/"+name)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, fmt.Sprintf("the run brings the CRDs of its target; until then, and for a way back: helm upgrade --install karpenter-crd at %s", v),
		"Karpenter %s has these CRDs, and the cluster does not have them as that version does: the controller was upgraded without its CRDs", v)
}

// older are the CRDs of Karpenter up to 0.32.
var older = []string{"provisioners.karpenter.sh", "machines.karpenter.sh", "awsnodetemplates.karpenter.k8s.aws"}

func crdLeftover(in Input) []Hit {
	v := in.sourceVersion()
	if v == nil || v.LessThan(firstBeta) {
		return nil
	}
	var names []string
	for _, name := range older {
		if in.Snapshot.CRD(name) != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return one(objectsOf("CustomResourceDefinition", names), "kubectl get "+strings.Join(names, ",")+" shows what is left of them; when nodes and manifests need none: kubectl delete crd "+strings.Join(names, " "),
		"they are of Karpenter 0.32 and older, and %s does not read them", v)
}

// conversionElsewhere finds CRDs that somebody else than the release converts: its chart has karpenter/kube-system built in where
// the CRDs come with it (#6818).
func conversionElsewhere(in Input) []Hit {
	source := in.source()
	if source == nil {
		return nil
	}
	var out []Hit
	for _, c := range in.Snapshot.Conversions {
		if namespace, _, _ := strings.Cut(c.Service, "/"); c.Problem == "" && namespace != source.Namespace {
			out = append(out, Hit{
				Objects: []string{"CustomResourceDefinition/" + c.CRD, "Service/" + c.Service},
				Why:     fmt.Sprintf("it is converted by %s, and Karpenter runs in namespace %s: whoever cleans up there makes all objects of this kind unreadable", c.Service, source.Namespace),
				Fix:     fmt.Sprintf("helm upgrade karpenter-crd at the present version with webhook.serviceName and webhook.serviceNamespace=%s", source.Namespace),
			})
		}
	}
	return out
}

// chartHasHook finds 1.0.0 on the way, whose chart has a hook after installation: a Job with an image of its own, which never ends
// under Argo CD (#6765; P@v1.0.0, v1.0.1:charts/karpenter).
func chartHasHook(in Input) []Hit {
	if in.Plan == nil {
		return nil
	}
	for _, h := range in.Plan.Hops {
		if h.Version == "1.0.0" {
			return one([]string{"hop to " + h.Version, targetField}, "take 1.0.1 or later, whose chart has none",
				"its chart runs a Job after installation, which needs an image of kubectl from elsewhere (postInstallHook.image) and does not end under Argo CD")
		}
	}
	return nil
}

func globalSettingsIgnored(in Input) []Hit {
	source, keys := in.source(), in.Snapshot.Platform.GlobalSettings
	if source == nil || len(keys) == 0 {
		return nil
	}
	return one([]string{"ConfigMap/" + source.Namespace + "/karpenter-global-settings"},
		"see that each is in the values of the release (settings.…), then kubectl delete configmap -n "+source.Namespace+" karpenter-global-settings",
		"Karpenter from 0.33 on does not read it; it has %s", strings.Join(keys, ", "))
}

// queue is the interruption queue that values name; they have had it in three places (P@v0.25.0, v0.31.5, v0.32.0:charts/karpenter/values.yaml).
func queue(values map[string]any) string {
	settings, _ := values["settings"].(map[string]any)
	aws, _ := settings["aws"].(map[string]any)
	for _, v := range []any{settings["interruptionQueue"], settings["interruptionQueueName"], aws["interruptionQueueName"]} {
		if name, _ := v.(string); name != "" {
			return name
		}
	}
	return ""
}

func interruptionQueueDropped(in Input) []Hit {
	source := in.source()
	if source == nil || in.Snapshot.Target.Values == nil {
		return nil
	}
	was := queue(source.Release.Values)
	if was == "" || queue(in.Snapshot.Target.Values) != "" {
		return nil
	}
	return one([]string{"settings.interruptionQueue", "spec.target.values"}, fmt.Sprintf("set settings.interruptionQueue: %s in spec.target.values", was),
		"the release has the interruption queue %s, and the second one would have none: spot interruptions would no longer be seen before they strike", was)
}

func interruptionQueueUnset(in Input) []Hit {
	source := in.source()
	if source == nil || in.Snapshot.Target.Values == nil || queue(source.Release.Values) != "" || queue(in.Snapshot.Target.Values) != "" {
		return nil
	}
	return one([]string{"settings.interruptionQueue"}, "make a queue as Karpenter's getting started guide does and set settings.interruptionQueue in spec.target.values, or leave it where nothing runs on spot",
		"Karpenter has no interruption queue: it does not see spot interruptions and scheduled maintenance before they strike, during the run neither")
}

// metricsRenamed finds alerts and scrape rules that name metrics which the target calls otherwise or has no longer: an alert on
// one never fires again, and says nothing of it.
func metricsRenamed(in Input) []Hit {
	from := in.sourceVersion()
	to, err := semver.NewVersion(in.Spec.Target.Version)
	if from == nil || err != nil {
		return nil
	}
	var renames []catalog.Rename
	for _, row := range in.Catalog.Entered(from, to) {
		renames = append(renames, row.Metrics...)
	}
	var objects []string
	seen := map[string]bool{}
	for _, m := range in.Snapshot.Platform.Monitors {
		dead := deadMetrics(m.Texts, renames)
		if len(dead) > 0 {
			objects = append(objects, m.Object)
		}
		for _, d := range dead {
			seen[d] = true
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return one(objects, "name both in them before the run (`old or new`), and the new ones alone after it; `karpenter_build_info` tells which version answers",
		"they name metrics that Karpenter %s calls otherwise or no longer has, so they fall silent: %s", to, strings.Join(sortedKeys(seen), ", "))
}

// deadMetrics are the renames that texts name, as "old is new".
func deadMetrics(texts []string, renames []catalog.Rename) []string {
	var out []string
	for _, r := range renames {
		if slices.ContainsFunc(texts, func(text string) bool { return names(text, r.From) }) {
			to := r.To
			if to == "" {
				to = "gone"
			}
			out = append(out, r.From+" is "+to)
		}
	}
	return out
}

// metric finds names of metrics in a text, whatever its language.
var metric = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)

// names says that a text names a metric, which may end in * for any rest, or have a matcher of a label in braces.
func names(text, from string) bool {
	from, label, _ := strings.Cut(from, "{")
	label = strings.TrimSuffix(label, "}")
	prefix, rest := strings.CutSuffix(from, "*")
	return slices.ContainsFunc(metric.FindAllString(text, -1), func(word string) bool {
		for _, part := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			if base := strings.TrimSuffix(word, part); base == from {
				return true
			}
		}
		return rest && strings.HasPrefix(word, prefix)
	}) && strings.Contains(text, label)
}

func addons(certain bool) func(Input) []Hit {
	return func(in Input) []Hit {
		kubernetes, err := semver.NewVersion(in.Snapshot.Kubernetes)
		if in.Plan == nil || err != nil {
			return nil
		}
		var out []Hit
		for _, a := range in.Snapshot.Platform.Addons {
			t := addon.Judge(a.Name, a.Version, addon.Cluster{Kubernetes: kubernetes, AL2023: hasAL2023(in)})
			if t == nil || t.Certain != certain {
				continue
			}
			out = append(out, Hit{
				Objects: []string{a.Object}, Why: t.Why,
				Fix: fmt.Sprintf("bring it to %s before the run: aws eks update-addon --addon-name %s --resolve-conflicts PRESERVE where EKS manages it, or else by its chart or manifest", t.Version, a.Name),
			})
		}
		return out
	}
}

func platformUnreadable(in Input) []Hit {
	out := make([]Hit, 0, len(in.Snapshot.Platform.Unread))
	for _, p := range in.Snapshot.Platform.Unread {
		out = append(out, Hit{
			Objects: []string{p.What}, Why: fmt.Sprintf("%s could not be read, so what they may hold against the run is not known: %s", p.What, p.Error),
			Fix: "upgrade this operator's chart, which has the permissions (docs/security.md), or look yourself",
		})
	}
	return out
}
