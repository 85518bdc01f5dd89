// Package api tests the API KarpenterUpgrade against a real kube-apiserver: what it refuses, with which words, and what it
// lets change while a run goes on.
package api
