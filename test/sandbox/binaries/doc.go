// Package binaries builds the programs that a sandbox runs, from Go modules alone.
//
// Every directory below hack/binaries is a wrapper module: its go.mod names one or more programs by tool lines and
// pins them, with all they depend on, in go.sum. [Builder.Ensure] builds what is missing into the user's cache
// directory, once for each version, toolchain and set of flags, and returns where the programs are:
//
//	<user cache>/karpenter-upgrade-operator/binaries/<module>/<key>/<program>
//
// A build goes to a temporary directory and is renamed when it is complete, so a program that is there is whole.
// Builds of the same module in several processes wait for one another by a file lock; a cache that has everything is
// only read. Programs found in KUBEBUILDER_ASSETS are used in place of built ones where their versions allow it.
package binaries
