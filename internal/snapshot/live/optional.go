package live

import (
	"context"
	"errors"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// part reads one part of a snapshot.
type part func(context.Context, *v1alpha1.KarpenterUpgrade, *snapshot.Snapshot) error

// optionalError is that of a part which a run can do without.
type optionalError struct{ error }

func (e optionalError) Unwrap() error { return e.error }

// optional marks a part as one that only checks look at: where it cannot be read, they find less, and the run goes on.
func optional(read part) part {
	return func(ctx context.Context, run *v1alpha1.KarpenterUpgrade, s *snapshot.Snapshot) error {
		if err := read(ctx, run, s); err != nil {
			return optionalError{err}
		}
		return nil
	}
}

func isOptional(err error) bool {
	var o optionalError
	return errors.As(err, &o)
}
