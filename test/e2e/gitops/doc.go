// Package gitops proves how the operator gets along with a Karpenter that Flux owns, with the build tag e2e:
//
//	cd test && go test -tags e2e -timeout 30m ./e2e/gitops/...
//
// Flux is the real one: source-controller and helm-controller run in the sandbox, install Karpenter 1.0.8 by HelmReleases, and put
// back what others change.
package gitops
