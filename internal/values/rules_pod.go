package values

import (
	"fmt"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// upstream is where the image comes from unless somebody says otherwise.
const upstream = "public.ecr.aws/karpenter/controller"

// imageOfOneString keeps the repository, which may be a mirror, of the image that 0.25 took as one string.
func imageOfOneString(t *translation) {
	image := text(t.values, "controller.image")
	if image == "" {
		return
	}
	remove(t.values, "controller.image")
	if repository := withoutVersion(image); repository != upstream {
		put(t.values, "controller.image.repository", repository)
	}
}

// withoutVersion is the repository of an image.
func withoutVersion(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if tag := strings.LastIndex(image, ":"); tag > strings.LastIndex(image, "/") {
		image = image[:tag]
	}
	return image
}

// extraObjects takes out the objects that the chart made beside its own. Helm deletes what a release no longer has, and a
// Provisioner that is deleted takes its nodes with it.
func extraObjects(t *translation) {
	if v, _ := remove(t.values, "extraObjects"); !empty(v) {
		t.note(v1alpha1.SeverityBlocker, "extraObjects", "the chart from 0.28 on has no extra objects, so Helm would delete those that it made; a Provisioner takes its nodes with it",
			"kubectl annotate each of them helm.sh/resource-policy=keep, then set extraObjects to null in spec.target.values")
	}
}

// metricsPort takes out a port that is the default of the versions before: the port is then the new default.
func metricsPort(before int64) func(*translation) {
	return func(t *translation) {
		v, ok := get(t.values, "controller.metrics.port")
		if !ok || !number(v, before) {
			return
		}
		remove(t.values, "controller.metrics.port")
		if now := defaultMetricsPort(t); now != before {
			t.warn("controller.metrics.port", fmt.Sprintf("it is the default of older charts and is not carried over: Karpenter's metrics move to port %d", now),
				"let NetworkPolicies and scrapers that name the port take the new one, or set the key in spec.target.values")
		}
	}
}

func defaultMetricsPort(t *translation) int64 {
	if !t.to.LessThan(version(0, 28, 0)) && t.to.LessThan(version(1, 0, 0)) {
		return 8000
	}
	return 8080
}

// fsGroup takes out a group that is the default of the versions before: it went with their user.
func fsGroup(before int64) func(*translation) {
	return func(t *translation) {
		if v, ok := get(t.values, "podSecurityContext.fsGroup"); ok && number(v, before) {
			remove(t.values, "podSecurityContext.fsGroup")
		}
	}
}

func securityContext(t *translation) {
	if v, _ := remove(t.values, "controller.securityContext"); !empty(v) {
		t.warn("controller.securityContext", "the chart from 0.30 on sets what the container may do itself, after the Restricted Pod Security Standard",
			"from 1.5 on set appArmorProfile, seLinuxOptions or seccompProfile below it in spec.target.values, where you need one; or nothing")
	}
}

// envKey are the variables that users give to the container, as Kubernetes has them.
const envKey = "controller.env"

// env shows keep the variables of one name, and takes out those that it does not keep.
func (t *translation) env(name string, keep func(entry map[string]any) bool) {
	list, ok := get(t.values, envKey)
	entries, isList := list.([]any)
	if !ok || !isList {
		return
	}
	kept := make([]any, 0, len(entries))
	for _, e := range entries {
		entry, isMap := e.(map[string]any)
		if !isMap || entry["name"] != name || keep(entry) {
			kept = append(kept, e)
		}
	}
	switch {
	case len(kept) == len(entries):
	case len(kept) == 0:
		remove(t.values, envKey)
	default:
		put(t.values, envKey, kept)
	}
}

// literal says that the value of a variable stands there, and does not come from a Secret or another object.
func literal(entry map[string]any) bool { return entry["valueFrom"] == nil }

func leaderElection(t *translation) {
	t.env("LEADER_ELECT", func(entry map[string]any) bool {
		if !literal(entry) {
			t.warn(envKey, "Karpenter from 1.0 on does not read LEADER_ELECT, whose value comes from another object",
				"take it out, and set DISABLE_LEADER_ELECTION to the opposite where it matters")
			return true
		}
		if on, set := truth(entry["value"]); !set || on {
			return false
		}
		entry["name"], entry["value"] = "DISABLE_LEADER_ELECTION", "true"
		return true
	})
}
