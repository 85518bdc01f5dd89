// Package flux runs the real Flux in a sandbox: source-controller and helm-controller, built from their Go modules
// (hack/binaries/flux-*), as pods with the CRDs, the roles and the Deployments that the modules have. Both are reached as in any
// cluster: by HelmRepository, OCIRepository and HelmRelease. There is no DNS in a sandbox, so source-controller gives its artifacts
// out under its pod's address, and no Git server, so sources are charts in the sandbox's registry.
package flux
