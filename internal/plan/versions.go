package plan

import (
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

// Codes of refusals.
const (
	CodeTargetVersionInvalid = "TargetVersionInvalid"
	CodeTargetVersionUnknown = "TargetVersionUnknown"
	CodeTargetVersionBad     = "TargetVersionBad"
	CodeStopInvalid          = "StopInvalid"
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

// oldestTarget is the oldest version that runs may end at: older ones get no patches any more.
var oldestTarget = semver.New(1, 0, 0, "", "")

const (
	targetField = "spec.target.version"
	stopsField  = "spec.target.stops"
	deployment  = "Deployment of Karpenter"
)

// ends are the versions that a way begins and ends at. There is a way between them.
func ends(c *catalog.Catalog, req Request) (from, to *semver.Version, refusal *Refusal) {
	if to, refusal = parseTarget(c, req.To); refusal != nil {
		return nil, nil, refusal
	}
	if from, refusal = parseSource(c, req.From); refusal != nil {
		return nil, nil, refusal
	}
	switch {
	case to.Equal(from):
		return nil, nil, &Refusal{CodeAlreadyAtTarget, targetField,
			fmt.Sprintf("Karpenter is at %s already", req.From), "set it to a newer version, or delete this object"}
	case to.LessThan(from):
		return nil, nil, &Refusal{CodeDowngrade, targetField,
			fmt.Sprintf("%s is older than the %s that runs, and Karpenter does not support going back", req.To, req.From),
			fmt.Sprintf("set it to a version newer than %s", req.From)}
	case to.LessThan(oldestTarget):
		return nil, nil, &Refusal{CodeTargetVersionUnknown, targetField,
			fmt.Sprintf("%s is older than 1.0, the oldest release that this operator upgrades to", req.To), "set it to a release such as " + c.Newest().Latest().String()}
	}
	return from, to, nil
}

func parseTarget(c *catalog.Catalog, to string) (*semver.Version, *Refusal) {
	newest := c.Newest().Latest()
	target, err := semver.StrictNewVersion(to)
	if err != nil {
		return nil, &Refusal{CodeTargetVersionInvalid, targetField, fmt.Sprintf("%q is no version", to), "set it to a release such as " + newest.String()}
	}
	row, known := c.Find(target)
	switch {
	case !known && (target.Major() != newest.Major() || target.LessThan(newest)):
		return nil, &Refusal{CodeTargetVersionUnknown, targetField,
			fmt.Sprintf("there is no Karpenter %s that this operator can upgrade to", to), "set it to a release such as " + newest.String()}
	case !known:
		return target, nil // a newer minor of the same major: the registry decides whether it exists
	}
	if why := row.BadPatch(target.Patch()); why != "" {
		return nil, &Refusal{CodeTargetVersionBad, targetField,
			fmt.Sprintf("Karpenter %s must not be used: %s", to, why), "set it to " + row.Latest().String()}
	}
	return target, nil
}

// parseSource takes bad releases too: they are what one wants to leave.
func parseSource(c *catalog.Catalog, from string) (*semver.Version, *Refusal) {
	source, err := semver.NewVersion(from)
	if err != nil {
		return nil, &Refusal{CodeSourceVersionUnknown, deployment,
			fmt.Sprintf("its version %q cannot be read from its label app.kubernetes.io/version or its image", from),
			"install Karpenter from its own chart, or set the label to the version that runs"}
	}
	oldest := c.Oldest()
	if source.Major() == 0 && source.LessThan(semver.MustParse(oldest.Minor+".0")) {
		return nil, &Refusal{CodeSourceTooOld, deployment,
			fmt.Sprintf("it runs %s, and what this operator knows of Karpenter begins at %s", from, oldest.Minor),
			fmt.Sprintf("upgrade it to %s first, as the upgrade guide of Karpenter says", oldest.Latest())}
	}
	return source, nil
}
