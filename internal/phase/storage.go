package phase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/check"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

const (
	// storagePage is how many objects are rewritten in one call: a few seconds of requests at the operator's own rate.
	storagePage = 100
	// storageSettle is how long after a CRD was first seen to store a version every API server is taken to store it. They learn of
	// it by watching the CRD, within moments; until then a write through one of them could still be stored as before, or, being
	// no change to it, seem to prove that nothing was left to rewrite.
	storageSettle = 10 * time.Second
	// storedTries is how often in a row status.storedVersions is tried to be written while others write the CRD.
	storedTries = 3
)

// MigrateStorage has every object of Karpenter stored in a version, and then says so in status.storedVersions of its CRDs, without
// which the API server refuses CRDs that no longer have the other versions. It takes as many calls as it needs; status says how
// far it is, and what was lost of it is only done again.
//
// The proof is a whole pass over all objects, begun after the API servers store the version, in which a write that changes
// nothing changed no object's resource version: those bytes are in etcd already. It holds whoever else writes meanwhile, since
// what anybody writes is stored in the version too. So it works beside Karpenter's own migration controllers (1.0.4 to 1.0.x,
// where the leader has webhooks on), and where they do not run.
//
// It fails with nothing changed when a CRD stores another version, is being deleted, or has objects stored in a version that it
// does not serve; and with storedVersions as they are when objects cannot be read or written, which may pass.
func (k *Kit) MigrateStorage(ctx context.Context, status *v1alpha1.HopStatus, version string) (done bool, waits string, err error) {
	crds, err := k.storing(ctx, version)
	if err != nil {
		return false, "", err
	}
	var of *apiextensionsv1.CustomResourceDefinition
	for _, crd := range crds {
		if k.storageStatus(status, crd, version).State != v1alpha1.StepDone && of == nil {
			of = crd
		}
	}
	if of == nil {
		return true, "", nil
	}
	next := k.storageStatus(status, of, version)
	if left := storageSettle - k.Clock.Since(next.StartedAt.Time); left > 0 {
		return false, fmt.Sprintf("waiting until every API server stores objects of CustomResourceDefinition %s as %s: %s left", of.Name, version, left.Round(time.Second)), nil
	}
	if err := k.rewritePage(ctx, of, next); err != nil {
		return false, "", err
	}
	return false, fmt.Sprintf("CustomResourceDefinition %s: objects are being stored as %s: pass %d, %d looked at, %d rewritten", of.Name, version, next.Pass, next.Seen, next.Rewritten), nil
}

// storing reads the CRDs whose objects are to be rewritten and fails, naming all of them, when one is in no state for it.
func (k *Kit) storing(ctx context.Context, version string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	out := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(CoreCRDs))
	var errs []error
	for _, name := range CoreCRDs {
		crd, err := k.crd(ctx, name)
		if err != nil {
			return nil, err
		}
		errs = append(errs, mayRewrite(crd, version))
		if is := storageVersion(crd); is != version {
			errs = append(errs, fmt.Errorf("CustomResourceDefinition %s stores %s and not %s: bring it to a version of Karpenter that stores %s first", name, is, version, version))
		}
		out = append(out, crd)
	}
	return out, terminalOf(errs)
}

// mayRewrite fails when the objects of a CRD cannot be read and written in a version.
func mayRewrite(crd *apiextensionsv1.CustomResourceDefinition, version string) error {
	err := refused(crd.Name, append(check.Terminating(crd), check.StoredNotServed(crd)...))
	served := slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == version && v.Served
	})
	if !served {
		err = errors.Join(err, fmt.Errorf("CustomResourceDefinition %s does not serve %s: bring it to a version of Karpenter that does first", crd.Name, version))
	}
	return err
}

// storageVersion is the version in which a CRD has its objects stored.
func storageVersion(crd *apiextensionsv1.CustomResourceDefinition) string {
	for _, v := range crd.Spec.Versions {
		if v.Storage {
			return v.Name
		}
	}
	return ""
}

// storageStatus is the entry of a CRD: a new one, where there is none, where it is about another version, or where somebody has
// had objects stored in other versions since it was done.
func (k *Kit) storageStatus(status *v1alpha1.HopStatus, crd *apiextensionsv1.CustomResourceDefinition, version string) *v1alpha1.StorageStatus {
	i := slices.IndexFunc(status.Storage, func(s v1alpha1.StorageStatus) bool { return s.CRD == crd.Name })
	if i < 0 {
		status.Storage = append(status.Storage, v1alpha1.StorageStatus{CRD: crd.Name})
		i = len(status.Storage) - 1
	}
	entry := &status.Storage[i]
	undone := entry.State == v1alpha1.StepDone && !slices.Equal(crd.Status.StoredVersions, []string{version})
	if entry.Version != version || entry.StartedAt == nil || undone {
		*entry = v1alpha1.StorageStatus{
			CRD: crd.Name, Version: version, State: v1alpha1.StepRunning, Pass: 1, StartedAt: ptr.To(metav1.NewTime(k.Clock.Now())),
		}
	}
	return entry
}

// proven writes what a whole pass has proven into status.storedVersions, unless Karpenter's own migration was faster.
func (k *Kit) proven(ctx context.Context, name string, entry *v1alpha1.StorageStatus) error {
	var err error
	for range storedTries {
		var crd *apiextensionsv1.CustomResourceDefinition
		if crd, err = k.crd(ctx, name); err != nil {
			return err
		}
		if is := storageVersion(crd); is != entry.Version {
			return fault.NewTerminal(fmt.Errorf("CustomResourceDefinition %s: somebody has it store %s while its objects were rewritten as %s", name, is, entry.Version))
		}
		if err := refused(name, check.Terminating(crd)); err != nil {
			return fault.NewTerminal(err)
		}
		if !slices.Equal(crd.Status.StoredVersions, []string{entry.Version}) {
			crd.Status.StoredVersions = []string{entry.Version}
			err = k.Live.Status().Update(ctx, crd)
		}
		if err == nil {
			entry.State = v1alpha1.StepDone
			return nil
		}
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return fmt.Errorf("writing status.storedVersions of CustomResourceDefinition %s: %w", name, err)
}

// SwitchStorage has Karpenter's CRDs store new objects in a version that they have, for the way back from 1.0 to v1beta1: then
// MigrateStorage rewrites those that are there, and EnsureCRDs with a hop to the older version writes its CRDs back. It takes as
// many calls as it needs, and fails with nothing changed when one of the CRDs is being deleted, does not serve the version, or
// has objects stored in one that it does not serve. Where the CRDs belong to a Helm release, that is not told: its record says
// what its chart does, and EnsureCRDs brings both together again.
func (k *Kit) SwitchStorage(ctx context.Context, version string) (done bool, waits string, err error) {
	crds := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(CoreCRDs))
	var errs []error
	for _, name := range CoreCRDs {
		crd, err := k.crd(ctx, name)
		if err != nil {
			return false, "", err
		}
		crds, errs = append(crds, crd), append(errs, mayRewrite(crd, version))
	}
	if err := terminalOf(errs); err != nil {
		return false, "", err
	}
	for _, crd := range crds {
		if storageVersion(crd) == version {
			continue
		}
		for i := range crd.Spec.Versions {
			crd.Spec.Versions[i].Storage = crd.Spec.Versions[i].Name == version
		}
		if err := k.Live.Update(ctx, crd); err != nil {
			return false, "", fmt.Errorf("updating CustomResourceDefinition %s: %w", crd.Name, err)
		}
		return false, fmt.Sprintf("CustomResourceDefinition %s stores %s from now on", crd.Name, version), nil
	}
	return true, "", nil
}
