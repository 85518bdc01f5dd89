// Package catalog knows Karpenter's releases: which Kubernetes they run on, which API versions their CRDs serve and store, from
// which older ones they may be entered, what each of them changes, and which must not be used. It is data (data/*.yaml, one row
// a minor) and pure functions over it. Users can lay rows of their own over it (With), so that a release that is newer than this
// operator needs no new build of it.
package catalog
