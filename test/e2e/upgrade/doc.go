// Package upgrade proves upgrades end to end, with the build tag e2e:
//
//	cd test && go test -tags e2e -timeout 55m ./e2e/upgrade/...
//
// In a sandbox each, a real Karpenter is upgraded from 1.0.8 to 1.14.1 as in the demo; an upgrade whose canary gets no
// instance goes all the way back; and one is carried out by an operator that is killed five times. An observer in a process
// of its own says what happened. Reports and, after a failure, logs are left in the directory that ARTIFACTS names.
package upgrade
