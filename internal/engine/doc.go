// Package engine walks a run through its phases: forward, or back. It knows phases only as an interface, and the world not at
// all. One Step does at most one bounded action of one phase; what has been decided is written to status before it is done,
// so that a run can be cut off anywhere and goes on from what it finds.
package engine
