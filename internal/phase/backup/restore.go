package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// Undo implements engine.Phase: see Restore.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if run.Status.Backup == nil {
		return engine.Done("no backup was written")
	}
	created, err := p.Restore(ctx, run)
	switch {
	case errors.Is(err, ErrLost):
		return engine.Fail("BackupLost", "%v", err)
	case err != nil:
		return engine.FromError(err)
	case len(created) == 0:
		return engine.Done("nothing was missing: the backup in Secret %s/%s was not needed", run.Status.Backup.Namespace, run.Status.Backup.Name)
	default:
		return engine.Done("restored %s", strings.Join(created, ", "))
	}
}

// Restore creates the blue EC2NodeClasses and NodePools of the plan that are missing, as the backup has them, and names them.
// Those that exist are left as they are, since whoever changed them since meant it, and so are all that the plan does not
// name: the run does not touch them. The backup is read only when something is missing; when it is lost then, the error is
// an ErrLost that says what to create by hand.
func (p *Phase) Restore(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (created []string, err error) {
	missing, err := p.missing(ctx, run.Status.Plan)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	saved, err := p.saved(ctx, run)
	if errors.Is(err, ErrLost) {
		return nil, fmt.Errorf("create %s again, from Git: they are missing, and %w", strings.Join(names(missing), ", "), err)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range missing {
		o := saved[objectPath(m.kind, m.name)]
		if o == nil {
			continue // it was gone before the run changed anything
		}
		if err := p.Live.Create(ctx, fresh(o)); err != nil && !apierrors.IsAlreadyExists(err) {
			return created, fmt.Errorf("restoring %s %s: %w", m.kind.Kind, m.name, err)
		}
		created = append(created, m.String())
	}
	return created, nil
}

func names(objects []object) []string {
	out := make([]string, 0, len(objects))
	for _, o := range objects {
		out = append(out, o.String())
	}
	return out
}

// object names an object of Karpenter.
type object struct {
	kind schema.GroupVersionKind
	name string
}

// String implements fmt.Stringer.
func (o object) String() string { return o.kind.Kind + "/" + o.name }

// missing are the blue objects of a plan that are not there, in the order in which they are restored. NodeClaims are not among
// them: a NodeClaim that is created anew does not get its instance back (its status is lost), and Karpenter would launch another.
func (p *Phase) missing(ctx context.Context, plan *v1alpha1.Plan) ([]object, error) {
	wanted := make([]object, 0, len(plan.NodeClasses)+len(plan.Pools))
	for _, class := range plan.NodeClasses {
		wanted = append(wanted, object{phase.NodeClassKind, class.Blue})
	}
	for _, pool := range plan.Pools {
		wanted = append(wanted, object{phase.NodePoolKind, pool.Blue})
	}
	var out []object
	for _, o := range wanted {
		_, err := p.Get(ctx, o.kind, o.name)
		if apierrors.IsNotFound(err) {
			out = append(out, o)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// saved are the objects of the backup, by their paths in it.
func (p *Phase) saved(ctx context.Context, run *v1alpha1.KarpenterUpgrade) (map[string]*unstructured.Unstructured, error) {
	if run.Status.Backup == nil {
		return nil, fmt.Errorf("%w: none was written", ErrLost)
	}
	files, err := p.Load(ctx, run)
	if err != nil {
		return nil, err
	}
	out := map[string]*unstructured.Unstructured{}
	for _, f := range files {
		if !strings.HasPrefix(f.Name, objectPath(phase.NodePoolKind, "")) && !strings.HasPrefix(f.Name, objectPath(phase.NodeClassKind, "")) {
			continue
		}
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal(f.Data, &o.Object); err != nil {
			return nil, fmt.Errorf("reading %s of the backup: %w", f.Name, err)
		}
		out[f.Name] = o
	}
	return out, nil
}

// fresh strips from an object what the API server and controllers gave it.
func fresh(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := o.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} {
		unstructured.RemoveNestedField(out.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(out.Object, "status")
	return out
}
