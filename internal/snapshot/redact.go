package snapshot

import (
	"encoding/json"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// redacted stands where something was taken out.
const redacted = "REDACTED"

// lastApplied is what kubectl apply keeps of an object as it was written, secrets too.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Redacted is a copy of a snapshot to give away: every text in Helm values but those that Karpenter's own settings need to be judged, the
// data of Secrets and ConfigMaps, manifests, user data of EC2NodeClasses and the values of containers' environment variables are taken out. Names,
// labels, versions, ARNs and selectors stay: without them no finding could be found.
func Redacted(s *Snapshot) *Snapshot {
	out := *s
	out.Installations = slices.Clone(s.Installations)
	for i := range out.Installations {
		out.Installations[i].Release = redactedRelease(out.Installations[i].Release)
		out.Installations[i].Annotations = redactedAnnotations(out.Installations[i].Annotations)
	}
	out.GreenRelease = redactedRelease(s.GreenRelease)
	out.CRDReleases = slices.Clone(s.CRDReleases)
	for i := range out.CRDReleases {
		out.CRDReleases[i] = *redactedRelease(&out.CRDReleases[i])
	}
	if s.Destination != nil {
		d := *s.Destination
		d.Release = redactedRelease(d.Release)
		out.Destination = &d
	}
	out.NodePools, out.NodeClasses = redactedObjects(s.NodePools), redactedObjects(s.NodeClasses)
	out.Target.Values = redactedValues(s.Target.Values)
	out.Target.Green, out.Target.Original = redactedObjects(s.Target.Green), redactedObjects(s.Target.Original)
	out.Stops = slices.Clone(s.Stops)
	for i := range out.Stops {
		out.Stops[i].Objects = redactedObjects(out.Stops[i].Objects)
	}
	return &out
}

func redactedRelease(r *Release) *Release {
	if r == nil {
		return nil
	}
	out := *r
	out.Values, out.Manifest = redactedValues(r.Values), ""
	return &out
}

// plainValues are the keys of Helm values whose texts stay: they name things of the cluster, and secrets are never among them.
var plainValues = []string{"clusterName", "clusterEndpoint", "interruptionQueue", "interruptionQueueName", "serviceName", "serviceNamespace", "name", "logLevel", "eks.amazonaws.com/role-arn"}

func redactedValues(values map[string]any) map[string]any {
	if values == nil {
		return nil
	}
	out := make(map[string]any, len(values))
	for key, v := range values {
		if _, text := v.(string); text && slices.Contains(plainValues, key) {
			out[key] = v
			continue
		}
		out[key] = redactedValue(v)
	}
	return out
}

func redactedValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return redactedValues(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = redactedValue(v[i])
		}
		return out
	case string:
		return redacted
	default:
		return v
	}
}

// redactedJSON are Helm values as the spec has them. What is no map is taken out whole.
func redactedJSON(in *apiextensionsv1.JSON) *apiextensionsv1.JSON {
	values := map[string]any{}
	if err := json.Unmarshal(in.Raw, &values); err != nil {
		return nil
	}
	raw, err := json.Marshal(redactedValues(values))
	if err != nil {
		return nil
	}
	return &apiextensionsv1.JSON{Raw: raw}
}

func redactedAnnotations(in map[string]string) map[string]string {
	if _, there := in[lastApplied]; !there {
		return in
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		if k != lastApplied {
			out[k] = v
		}
	}
	return out
}

func redactedObjects(in []unstructured.Unstructured) []unstructured.Unstructured {
	out := make([]unstructured.Unstructured, 0, len(in))
	for i := range in {
		o := in[i].DeepCopy()
		o.SetAnnotations(redactedAnnotations(o.GetAnnotations()))
		if o.GetKind() == "Secret" || o.GetKind() == "ConfigMap" {
			for _, field := range []string{"data", "stringData"} {
				unstructured.RemoveNestedField(o.Object, field)
			}
		}
		if userData, found, _ := unstructured.NestedString(o.Object, "spec", "userData"); found {
			_ = unstructured.SetNestedField(o.Object, fmt.Sprintf("%s, %d bytes", redacted, len(userData)), "spec", "userData")
		}
		redactEnvironment(o)
		out = append(out, *o)
	}
	return out
}

// redactEnvironment takes the values of environment variables out of a workload, whose names stay.
func redactEnvironment(o *unstructured.Unstructured) {
	for _, kind := range []string{"containers", "initContainers"} {
		containers, found, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", kind)
		if err != nil || !found {
			continue
		}
		for _, c := range containers {
			container, _ := c.(map[string]any)
			env, _ := container["env"].([]any)
			for _, e := range env {
				if entry, ok := e.(map[string]any); ok && entry["value"] != nil {
					entry["value"] = redacted
				}
			}
		}
		_ = unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", kind)
	}
}
