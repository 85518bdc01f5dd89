// Package world is the state and behaviour of the emulated AWS account: what a seed puts there, what calls create, and
// what time makes of it. It knows nothing of wire protocols; refusals are AWS errors of package awserr.
//
// A World is safe for concurrent use. One mutex guards all state; no call to the outside (a Booter) is made under it.
// All waiting is done on the injected clock.
package world
