package plan

import (
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

// Codes of refusals.
const (
	CodeTargetVersionInvalid = "TargetVersionInvalid"
	CodeTargetVersionUnknown = "TargetVersionUnknown"
	CodeTargetVersionBad     = "TargetVersionBad"
	CodeDowngrade            = "Downgrade"
	CodeAlreadyAtTarget      = "AlreadyAtTarget"
	CodeSourceVersionUnknown = "SourceVersionUnknown"
	CodeSourceTooOld         = "SourceTooOld"
)

// Refusal says why there is no plan.
type Refusal struct {
	Code string
	// Object that the refusal is about: a field of the spec, or an object.
	Object   string
	Why, Fix string
}

// oldestSource is the oldest version that BlueGreen can start from: older ones have other API versions.
var oldestSource = semver.New(1, 0, 0, "", "")

const targetField = "spec.target.version"

// Hops finds the way from one version to another, the target last.
func Hops(c *catalog.Catalog, from, to string) ([]v1alpha1.Hop, *Refusal) {
	target, refusal := parseTarget(c, to)
	if refusal != nil {
		return nil, refusal
	}
	source, refusal := parseSource(c, from)
	if refusal != nil {
		return nil, refusal
	}
	switch {
	case target.Equal(source):
		return nil, &Refusal{CodeAlreadyAtTarget, targetField,
			fmt.Sprintf("Karpenter is at %s already", from), "set it to a newer version, or delete this object"}
	case target.LessThan(source):
		return nil, &Refusal{CodeDowngrade, targetField,
			fmt.Sprintf("%s is older than the %s that runs, and Karpenter does not support going back", to, from),
			fmt.Sprintf("set it to a version newer than %s", from)}
	}
	return []v1alpha1.Hop{{Version: to, Strategy: v1alpha1.StrategyBlueGreen}}, nil
}

func parseTarget(c *catalog.Catalog, to string) (*semver.Version, *Refusal) {
	target, err := semver.StrictNewVersion(to)
	if err != nil {
		return nil, &Refusal{CodeTargetVersionInvalid, targetField, fmt.Sprintf("%q is no version", to), "set it to a release such as " + c.Newest().Latest().String()}
	}
	minor, known := c.Find(target)
	newest := c.Newest().Latest()
	switch {
	case !known && (target.Major() != newest.Major() || target.LessThan(newest)):
		return nil, &Refusal{CodeTargetVersionUnknown, targetField,
			fmt.Sprintf("there is no Karpenter %s that this operator can upgrade to", to), "set it to a release such as " + newest.String()}
	case !known:
		return target, nil // a newer minor of the same major: the registry decides whether it exists
	}
	if target.LessThan(oldestSource) {
		return nil, &Refusal{CodeTargetVersionUnknown, targetField,
			fmt.Sprintf("%s is older than 1.0, the oldest release that this operator upgrades to", to), "set it to a release such as " + newest.String()}
	}
	if why := minor.BadPatch(target.Patch()); why != "" {
		return nil, &Refusal{CodeTargetVersionBad, targetField,
			fmt.Sprintf("Karpenter %s must not be used: %s", to, why), "set it to " + minor.Latest().String()}
	}
	return target, nil
}

func parseSource(c *catalog.Catalog, from string) (*semver.Version, *Refusal) {
	source, err := semver.NewVersion(from)
	if err != nil {
		return nil, &Refusal{CodeSourceVersionUnknown, "Deployment of Karpenter",
			fmt.Sprintf("its version %q cannot be read from its label app.kubernetes.io/version or its image", from),
			"install Karpenter from its own chart, or set the label to the version that runs"}
	}
	if !source.LessThan(oldestSource) {
		return source, nil
	}
	stop := c.Stops(source, semver.New(1, 1, 0, "", ""))
	next := oldestSource.String()
	if len(stop) > 0 {
		next = stop[0].Latest().String()
	}
	return nil, &Refusal{CodeSourceTooOld, "Deployment of Karpenter",
		fmt.Sprintf("it runs %s, and BlueGreen begins at 1.0: older releases store other API versions", from),
		fmt.Sprintf("upgrade in place to %s first, as the upgrade guide of Karpenter says", next)}
}
