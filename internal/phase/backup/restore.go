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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/bundle"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// restored are the kinds that a restore brings back, in order. NodeClaims are not among them: a NodeClaim that is created
// anew does not get its instance back (its status is lost), and Karpenter would launch another.
var restored = []schema.GroupVersionKind{phase.NodeClassKind, phase.NodePoolKind}

// Undo implements engine.Phase: it reads the backup back and creates the EC2NodeClasses and NodePools that are missing. Those
// that exist are left as they are, since whoever changed them since meant it.
func (p *Phase) Undo(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if run.Status.Backup == nil {
		return engine.Done("no backup was written")
	}
	files, err := p.Load(ctx, run)
	if errors.Is(err, ErrLost) {
		return p.without(ctx, run.Status.Plan, err)
	}
	if err != nil {
		return engine.FromError(err)
	}
	var created []string
	for _, kind := range restored {
		names, err := p.restore(ctx, files, kind)
		if err != nil {
			return engine.FromError(err)
		}
		created = append(created, names...)
	}
	if len(created) == 0 {
		return engine.Done("nothing was missing; the backup stays in Secret %s/%s", run.Status.Backup.Namespace, run.Status.Backup.Name)
	}
	return engine.Done("restored %s", strings.Join(created, ", "))
}

// without is what Undo comes to when the backup is lost: nothing, unless something of the plan is missing.
func (p *Phase) without(ctx context.Context, plan *v1alpha1.Plan, reason error) engine.Outcome {
	var missing []string
	look := func(kind schema.GroupVersionKind, name string) error {
		_, err := p.Get(ctx, kind, name)
		if apierrors.IsNotFound(err) {
			missing = append(missing, kind.Kind+"/"+name)
		}
		return client.IgnoreNotFound(err)
	}
	for _, class := range plan.NodeClasses {
		if err := look(phase.NodeClassKind, class.Blue); err != nil {
			return engine.FromError(err)
		}
	}
	for _, pool := range plan.Pools {
		if err := look(phase.NodePoolKind, pool.Blue); err != nil {
			return engine.FromError(err)
		}
	}
	if len(missing) > 0 {
		return engine.Fail("BackupLost", "create %s again, from Git: they are missing, and %v", strings.Join(missing, ", "), reason)
	}
	return engine.Done("nothing was missing; %v", reason)
}

// restore creates the objects of a kind that the backup has and the cluster has not.
func (p *Phase) restore(ctx context.Context, files []bundle.File, kind schema.GroupVersionKind) (created []string, err error) {
	for _, f := range files {
		if !strings.HasPrefix(f.Name, objectPath(kind, "")) {
			continue
		}
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal(f.Data, &o.Object); err != nil {
			return created, fmt.Errorf("reading %s of the backup: %w", f.Name, err)
		}
		err := p.Live.Create(ctx, fresh(o))
		switch {
		case apierrors.IsAlreadyExists(err):
		case err != nil:
			return created, fmt.Errorf("restoring %s %s: %w", kind.Kind, o.GetName(), err)
		default:
			created = append(created, kind.Kind+"/"+o.GetName())
		}
	}
	return created, nil
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
