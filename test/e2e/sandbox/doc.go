// Package sandbox proves the sandbox end to end, with the build tag e2e:
//
//	cd test && go test -tags e2e -timeout 60m ./e2e/sandbox/...
//
// Real Karpenter controllers are installed by their own charts and launch nodes; pods on host nodes crash, wait and
// end; sandboxes stand side by side, end with their owners and leave nothing behind; and one is run by an ordinary user.
// Logs of a sandbox whose test failed are copied to the directory that ARTIFACTS names.
package sandbox
