// Package convert tests that what the operator converts is accepted: server-side dry runs, with strict validation, on a real
// kube-apiserver with the CRDs of the Karpenter releases themselves.
package convert
