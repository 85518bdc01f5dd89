package phase

import (
	"errors"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/check"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// mayReplace fails, naming all of them, when CRDs must not become the hop's: either all of them change or none.
func mayReplace(run *v1alpha1.KarpenterUpgrade, hop *v1alpha1.Hop, want *hopCRDs, current map[string]*apiextensionsv1.CustomResourceDefinition) error {
	var errs []error
	for i := range want.crds {
		target := &want.crds[i]
		c := current[target.Name]
		if c == nil {
			continue
		}
		hits := append(check.Terminating(c), check.StoredNotServed(c)...)
		if made := recorded(run, c.Name); made == nil || !made.Created {
			hits = append(hits, check.ForeignOwner(run.Status.Plan, hop.Version, c, target)...)
		}
		if hop.Strategy == v1alpha1.StrategyBlueGreen {
			hits = append(hits, check.NarrowerCRD(c, target)...)
		}
		errs = append(errs, refused(c.Name, hits))
		if gone := check.MissingStored(c, target); len(gone) > 0 {
			errs = append(errs, fmt.Errorf("CustomResourceDefinition %s: objects are stored as %s, which its CRD of %s does not have: "+
				"rewrite every object in a version that it has first", c.Name, strings.Join(gone, ", "), hop.Version))
		}
	}
	return terminalOf(errs)
}

// refused makes an error of what checks found about a CRD.
func refused(name string, hits []check.Hit) error {
	errs := make([]error, 0, len(hits))
	for _, h := range hits {
		errs = append(errs, fmt.Errorf("CustomResourceDefinition %s: %s; %s", name, h.Why, h.Fix))
	}
	return errors.Join(errs...)
}

// terminalOf joins errors into one that comes back each time; nil when there is none.
func terminalOf(errs []error) error {
	if err := errors.Join(errs...); err != nil {
		return fault.NewTerminal(err)
	}
	return nil
}
