// Package backup saves what a run may change, before it changes anything: Karpenter's objects in every version that is
// served, its CRDs, its Helm releases, its Deployment and ConfigMaps, its webhooks, and an inventory of nodes and workloads.
//
// The backup lies in Secrets of the operator's namespace, owned by the run: who deletes the run deletes its backup.
package backup

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/bundle"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase"
)

// dataKey is where a Secret holds its chunk.
const dataKey = "chunk"

// Phase is the phase Backup.
type Phase struct{ *phase.Kit }

var _ engine.Phase = (*Phase)(nil)

// Name implements engine.Phase.
func (*Phase) Name() v1alpha1.PhaseName { return v1alpha1.PhaseBackup }

// Run implements engine.Phase. The backup is done when it has been read back and its digest is right.
func (p *Phase) Run(ctx context.Context, run *v1alpha1.KarpenterUpgrade) engine.Outcome {
	if run.Status.Backup != nil {
		files, err := p.Load(ctx, run)
		if err == nil {
			return engine.Done("objects saved in Secret %[2]s/%[3]s: %[1]d (%[4]d bytes, %[5]s)", len(files), run.Status.Backup.Namespace, run.Status.Backup.Name, run.Status.Backup.Bytes, run.Status.Backup.Digest)
		}
		run.Status.Backup = nil // nothing has been changed yet: it can be written anew
		return engine.FromError(fmt.Errorf("reading the backup back: %w", err))
	}
	files, err := p.collect(ctx, run.Status.Plan)
	if err != nil {
		return engine.FromError(err)
	}
	packed, err := bundle.Pack(files)
	if err != nil {
		return engine.FromError(err)
	}
	b := &v1alpha1.Backup{
		Namespace: p.Namespace, Name: run.Name + "-backup", Digest: bundle.Digest(packed), Objects: int32(len(files)), Bytes: int64(len(packed)),
	}
	chunks := bundle.Split(packed, bundle.ChunkSize)
	b.Chunks = int32(len(chunks))
	for i, chunk := range chunks {
		if err := p.write(ctx, run, secretName(b, i), chunk); err != nil {
			return engine.FromError(err)
		}
	}
	run.Status.Backup = b
	return engine.Wait(0, "Verifying", "objects written: %d; reading them back", len(files))
}

func secretName(b *v1alpha1.Backup, chunk int) string {
	if chunk == 0 {
		return b.Name
	}
	return fmt.Sprintf("%s-%d", b.Name, chunk)
}

func (p *Phase) write(ctx context.Context, run *v1alpha1.KarpenterUpgrade, name string, chunk []byte) error {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: name,
			Labels: map[string]string{v1alpha1.LabelRun: run.Name},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "KarpenterUpgrade", Name: run.Name, UID: run.UID, Controller: ptr.To(true),
			}},
		},
		Type: "karpenter-upgrade.dev/backup",
		Data: map[string][]byte{dataKey: chunk},
	}
	err := p.Live.Create(ctx, s)
	if !apierrors.IsAlreadyExists(err) {
		return wrap(err, "writing Secret %s/%s", p.Namespace, name)
	}
	old := &corev1.Secret{}
	if err := p.Live.Get(ctx, client.ObjectKeyFromObject(s), old); err != nil {
		return wrap(err, "reading Secret %s/%s", p.Namespace, name)
	}
	if !ownedBy(old, run.UID) {
		return fault.NewTerminal(fmt.Errorf("secret %s/%s belongs to something else: delete it, or give this KarpenterUpgrade another name", p.Namespace, name))
	}
	s.ResourceVersion = old.ResourceVersion
	return wrap(p.Live.Update(ctx, s), "writing Secret %s/%s", p.Namespace, name)
}

func ownedBy(o client.Object, uid types.UID) bool {
	ref := metav1.GetControllerOf(o)
	return ref != nil && ref.UID == uid
}

// ErrLost says that a backup is not what was written: a part of it is missing, or changed.
var ErrLost = errors.New("the backup is lost")

// Load reads the backup of a run and verifies its digest. It fails with ErrLost when trying again does not help.
func (p *Phase) Load(ctx context.Context, run *v1alpha1.KarpenterUpgrade) ([]bundle.File, error) {
	b := run.Status.Backup
	chunks := make([][]byte, 0, b.Chunks)
	for i := range int(b.Chunks) {
		s := &corev1.Secret{}
		err := p.Live.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: secretName(b, i)}, s)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("%w: Secret %s/%s is gone", ErrLost, b.Namespace, secretName(b, i))
		}
		if err != nil {
			return nil, fmt.Errorf("reading Secret %s/%s: %w", b.Namespace, secretName(b, i), err)
		}
		chunks = append(chunks, s.Data[dataKey])
	}
	packed, err := bundle.Join(chunks, b.Digest)
	if err != nil {
		return nil, fmt.Errorf("%w: Secret %s/%s: %w", ErrLost, b.Namespace, b.Name, err)
	}
	return bundle.Unpack(packed)
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
