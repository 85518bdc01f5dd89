// Package catalog knows Karpenter's releases: which Kubernetes they run on, which API versions their CRDs serve, which of
// them must be a stop on the way to a newer one, and which must not be used. It is data (data/versions.yaml) and pure
// functions over it.
package catalog
