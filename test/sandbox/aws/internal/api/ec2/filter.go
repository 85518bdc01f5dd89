package ec2

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

// maxFilterValues is how many values the filters of a call may have.
const maxFilterValues = 200

// filter is a filter of a describe call: an item fits if one of the values does.
type filter struct {
	Name   string   `q:"Name"`
	Values []string `q:"Value"`
}

// fields are the filters that a kind of item has: each yields the values of an item, none if it has no such thing.
type fields[T any] map[string]func(T) []string

// one makes a field of a function that yields a single value.
func one[T any](f func(T) string) func(T) []string {
	return func(t T) []string { return []string{f(t)} }
}

// flag makes a field of a function that yields a boolean.
func flag[T any](f func(T) bool) func(T) []string {
	return func(t T) []string { return []string{strconv.FormatBool(f(t))} }
}

// apply returns the items that fit all filters. Filters on tags exist where tags is not nil. A filter that does not
// exist is refused.
func apply[T any](filters []filter, items []T, known fields[T], tags func(T) map[string]string) ([]T, error) {
	values := 0
	for _, f := range filters {
		values += len(f.Values)
		if values > maxFilterValues {
			return nil, awserr.New("FilterLimitExceeded",
				"The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		field, err := lookup(f, known, tags)
		if err != nil {
			return nil, err
		}
		items = slices.DeleteFunc(slices.Clone(items), func(item T) bool {
			return !slices.ContainsFunc(field(item), f.fits)
		})
	}
	return items, nil
}

// fits tells whether a value fits one of the filter's patterns.
func (f filter) fits(value string) bool {
	return slices.ContainsFunc(f.Values, func(pattern string) bool { return wire.Match(pattern, value) })
}

// lookup finds what a filter looks at.
func lookup[T any](f filter, known fields[T], tags func(T) map[string]string) (func(T) []string, error) {
	if len(f.Values) == 0 {
		return nil, awserr.New("InvalidParameterValue", "The filter '%s' has no values", f.Name)
	}
	if field, ok := known[f.Name]; ok {
		return field, nil
	}
	if key, ok := strings.CutPrefix(f.Name, "tag:"); ok && tags != nil {
		return func(t T) []string {
			if value, has := tags(t)[key]; has {
				return []string{value}
			}
			return nil
		}, nil
	}
	if f.Name == "tag-key" && tags != nil {
		return func(t T) []string {
			return slices.Collect(maps.Keys(tags(t)))
		}, nil
	}
	return nil, awserr.New("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
}
