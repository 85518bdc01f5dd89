// Package plan decides what a run does: over which versions, which NodePools are replaced by which, and how far it can be
// taken back. It is pure: the same snapshot and spec give the same plan.
package plan
