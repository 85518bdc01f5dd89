// Package owner proves, against a real kube-apiserver, what the operator reads out of managedFields and what becomes of entries of a
// version that a CRD has no more.
package owner
