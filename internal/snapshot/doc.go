// Package snapshot holds what was seen of a cluster at one time: the input of the planner and of the checks. It is data;
// package live reads it from a cluster.
package snapshot
