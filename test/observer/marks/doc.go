// Package marks looks for what the operator has left on the objects of a cluster: labels, annotations, finalizers and taints
// under its prefix, on any object of any kind that can be listed.
package marks
