// Package owner tells from an object's own metadata who keeps it as it is: which Argo CD Application, Flux HelmRelease or
// Kustomization, Terraform, Helm or kubectl. It is pure, and it asks nobody: what it says it says with the evidence, and what the
// metadata does not show (as that a HelmRelease is suspended, or gone) it does not know.
package owner
