package world

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// newID returns a random identifier: the prefix and n characters. Prefixes in capitals are those of IAM, whose IDs are
// in capitals and digits; the others are followed by hexadecimal digits.
func newID(prefix string, n int) string {
	if prefix != "" && prefix == strings.ToUpper(prefix) {
		return prefix + rand.Text()[:n]
	}
	raw := make([]byte, (n+1)/2)
	_, _ = rand.Read(raw) // It never fails: see crypto/rand.
	return prefix + hex.EncodeToString(raw)[:n]
}

// newUUID returns a random identifier in the form of a UUID, as SQS and fleets have.
func newUUID() string {
	h := newID("", 32)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
