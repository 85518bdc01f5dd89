// Package record makes a report out of what happened in a cluster, event by event. It is pure: events carry all that is
// known, and the time at which they arrived is given with them. Arrivals must not go back in time.
//
// A state counts from the arrival of the event that began it to the arrival of the one that ended it. A Lease expires by
// itself, at its renewal plus its duration.
package record
