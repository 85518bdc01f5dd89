package sandbox

import (
	"context"
	"maps"
	"strings"

	"golang.org/x/mod/semver"
)

// Names in the default AWS account.
const (
	// ClusterName is the EKS cluster, also the value of the tag karpenter.sh/discovery and the interruption queue.
	ClusterName = "sandbox"
	// NodeRole is the IAM role for nodes that Karpenter launches.
	NodeRole = "KarpenterNodeRole-sandbox"
)

// Karpenter says how Karpenter is installed.
type Karpenter struct {
	// Version is one of those that the sandbox has, as "1.0.8".
	Version string
	// Release is the release's name, "karpenter" if empty; Namespace its namespace, "kube-system" if empty, where
	// Karpenter's documentation installs it.
	Release, Namespace string
	// SkipCRDs leaves the CRDs as they are; otherwise release karpenter-crd is installed or upgraded first.
	SkipCRDs bool
	// Values are laid over the sandbox's own, key by key at the top level.
	Values map[string]any
}

// InstallKarpenter installs or upgrades Karpenter by its own charts, from the sandbox's registry, and does not wait.
func (s *Sandbox) InstallKarpenter(ctx context.Context, k Karpenter) error {
	if k.Release == "" {
		k.Release = "karpenter"
	}
	if k.Namespace == "" {
		k.Namespace = "kube-system"
	}
	version := versionOf(k.Version)
	if !k.SkipCRDs {
		if _, err := s.InstallChart(ctx, "karpenter-crd", k.Namespace, "karpenter-crd", version, k.crdValues()); err != nil {
			return err
		}
	}
	_, err := s.InstallChart(ctx, k.Release, k.Namespace, "karpenter", version, k.values())
	return err
}

// crdValues points the conversion webhook of 1.0 at this release; other versions have no such values.
func (k Karpenter) crdValues() map[string]any {
	if semver.MajorMinor("v"+strings.TrimPrefix(k.Version, "v")) != "v1.0" {
		return nil
	}
	return map[string]any{"webhook": map[string]any{
		"enabled": true, "serviceName": k.Release, "serviceNamespace": k.Namespace,
	}}
}

func (k Karpenter) values() map[string]any {
	values := map[string]any{
		"settings": map[string]any{"clusterName": ClusterName, "interruptionQueue": ClusterName},
	}
	maps.Copy(values, k.Values)
	return values
}
