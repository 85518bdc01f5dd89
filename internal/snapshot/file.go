package snapshot

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// fileVersion is that of the format of files. A file of another one is refused.
const fileVersion = "karpenter-upgrade.dev/snapshot-v1"

// File is a snapshot as it is saved: with what the run is to be, for a snapshot holds the charts of one target.
type File struct {
	Version  string                        `json:"version"`
	Spec     v1alpha1.KarpenterUpgradeSpec `json:"spec"`
	Snapshot *Snapshot                     `json:"snapshot"`
}

// Save writes a snapshot, compressed, without what Redacted takes out of it.
func Save(w io.Writer, spec *v1alpha1.KarpenterUpgradeSpec, s *Snapshot) error {
	z := gzip.NewWriter(w)
	f := File{Version: fileVersion, Spec: *spec.DeepCopy(), Snapshot: Redacted(s)}
	if f.Spec.Target.Values != nil {
		f.Spec.Target.Values = redactedJSON(f.Spec.Target.Values)
	}
	if err := json.NewEncoder(z).Encode(f); err != nil {
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	return nil
}

// Load reads what Save wrote.
func Load(r io.Reader) (*File, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot: it is no file that `snapshot save` wrote: %w", err)
	}
	f := &File{}
	if err := json.NewDecoder(z).Decode(f); err != nil {
		return nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	if f.Version != fileVersion || f.Snapshot == nil {
		return nil, fmt.Errorf("reading the snapshot: its version is %q, and this program reads %q: save it again", f.Version, fileVersion)
	}
	return f, nil
}
