package wire

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// Paging is how an action splits its answer into pages.
type Paging struct {
	// Parameter is the name of the size parameter, for messages.
	Parameter string
	// Min and Max bound the size that a caller may ask for; Default is the size without one, 0 for everything.
	Min, Max, Default int
	// BadToken is the code for a token that is none of ours.
	BadToken string
}

// tokenPrefix marks our tokens, which name the last key of the page before.
const tokenPrefix = "after:"

// Page returns a page of the items and the token of the next one, empty after the last. Items are ordered by their
// key, which must be unique: that keeps pages whole while items come and go.
func Page[T any](p Paging, items []T, key func(T) string, size int, token string) (page []T, next string, err error) {
	if size != 0 && (size < p.Min || size > p.Max) {
		return nil, "", awserr.InvalidValue(p.Parameter, strconv.Itoa(size),
			"Expecting a value from "+strconv.Itoa(p.Min)+" to "+strconv.Itoa(p.Max)+".")
	}
	if size == 0 {
		size = p.Default
	}
	items = slices.SortedFunc(slices.Values(items), func(a, b T) int { return strings.Compare(key(a), key(b)) })
	start, err := startAfter(p, items, key, token)
	if err != nil {
		return nil, "", err
	}
	items = items[start:]
	if size == 0 || len(items) <= size {
		return items, "", nil
	}
	last := key(items[size-1])
	return items[:size], base64.RawURLEncoding.EncodeToString([]byte(tokenPrefix + last)), nil
}

// startAfter finds the first item behind the one that the token names.
func startAfter[T any](p Paging, items []T, key func(T) string, token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	last, ours := strings.CutPrefix(string(raw), tokenPrefix)
	if err != nil || !ours {
		return 0, awserr.New(p.BadToken, "The token '%s' is not one that this emulator gave out", token)
	}
	start := slices.IndexFunc(items, func(i T) bool { return key(i) > last })
	if start < 0 {
		return len(items), nil
	}
	return start, nil
}
