// Package charts packages Karpenter's Helm charts out of its Go modules and serves charts from an OCI registry.
//
// A Go module is not what upstream releases. Its zip has no symbolic links, so the CRDs that the charts share are
// missing; and its chart carries the version, image tag and digest of the release before, because the release script
// stamps them later (hack/release/common.sh of the module). [Package] does both: it puts the CRDs back from
// pkg/apis/crds and stamps as the script does.
package charts
