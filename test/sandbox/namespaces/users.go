package namespaces

import (
	"fmt"
	"os"
	"strings"
)

// usersOfImages is how many user ids container images use, from 0: nonroot ones are below it.
const usersOfImages = 65536

// CanChangeUser tells whether processes of the sandbox may become the users that container images have. Root may; root
// in a user namespace with few users, as one that an ordinary user made, may not.
func CanChangeUser() (bool, error) {
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false, fmt.Errorf("reading which users there are: %w", err)
	}
	gids, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return false, fmt.Errorf("reading which groups there are: %w", err)
	}
	return mapsAll(string(uids)) && mapsAll(string(gids)), nil
}

// mapsAll tells whether an id map (user_namespaces(7): first id inside, first id outside, length) has all ids that
// images use.
func mapsAll(idMap string) bool {
	next := int64(0)
	for line := range strings.Lines(idMap) { // the kernel keeps them in the order that they were written
		var inside, outside, length int64
		if _, err := fmt.Sscan(line, &inside, &outside, &length); err == nil && inside == next {
			next += length
		}
	}
	return next >= usersOfImages
}
