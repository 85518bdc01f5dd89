// Package convert compares the operator's conversion with that of a running Karpenter 1.0.8, with the build tag e2e.
package convert
