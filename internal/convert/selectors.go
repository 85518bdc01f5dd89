package convert

import (
	"fmt"
	"slices"
	"strings"
)

// maxTerms is how many terms a list may have.
const maxTerms = 30

// Keys of alpha selectors that are not names of tags.
var (
	keysIDs    = []string{"aws-ids", "aws::ids"}
	keyName    = "aws::name"
	keyOwners  = "aws::owners"
	specialAMI = append(slices.Clone(keysIDs), keyName, keyOwners)
)

// selector turns a selector of subnets or security groups into terms: one for every id, or else for every combination of the values
// of its tags. Terms are alternatives, and all tags of one must match.
func (s *section) selector(name string) []any {
	given := s.texts(name)
	ids := listed(given, keysIDs...)
	tags := combinations(without(given, keysIDs...))
	var out []any
	for _, id := range ids {
		out = append(out, map[string]any{"id": id})
	}
	if len(ids) > 0 {
		s.onlyIDs(name, len(given) > count(given, keysIDs))
	} else {
		for _, t := range tags {
			out = append(out, map[string]any{"tags": anyMap(t)})
		}
	}
	if len(out) == 0 {
		s.r.lose(Blocker, s.at(name), "it is empty, and an EC2NodeClass must select something", "write "+name+"Terms into the EC2NodeClass")
		out = []any{}
	}
	s.tooMany(name, len(out))
	return out
}

// amiSelector turns a selector of images into terms: one for every id, or else for every combination of owners, names and values of
// tags.
func (s *section) amiSelector(family any) []any {
	const name = "amiSelector"
	given := s.texts(name)
	if len(given) == 0 {
		if family == familyCustom {
			s.r.lose(Blocker, s.at(name), "amiFamily Custom has no images of its own", "write amiSelectorTerms into the EC2NodeClass")
		}
		return nil
	}
	var out []any
	ids := listed(given, keysIDs...)
	for _, id := range ids {
		out = append(out, map[string]any{"id": id})
	}
	if len(ids) > 0 {
		s.onlyIDs(name, len(given) > count(given, keysIDs))
	} else {
		out = amiTerms(orNone(listed(given, keyOwners)), orNone(listed(given, keyName)), combinations(without(given, specialAMI...)))
		s.r.lose(Info, s.at(name), "tags of the images no longer say which instance types they are for", "if they did, have an EC2NodeClass and NodePool for each")
	}
	s.tooMany(name, len(out))
	return out
}

func amiTerms(owners, names []string, tags []map[string]string) []any {
	if len(tags) == 0 {
		tags = []map[string]string{nil}
	}
	out := make([]any, 0, len(owners)*len(names)*len(tags))
	for _, owner := range owners {
		for _, name := range names {
			for _, t := range tags {
				term := map[string]any{}
				put(term, "owner", owner)
				put(term, "name", name)
				put(term, "tags", anyMap(t))
				out = append(out, term)
			}
		}
	}
	return out
}

func (s *section) onlyIDs(name string, more bool) {
	if more {
		s.r.lose(Warning, s.at(name), "a term with an id can have nothing else, so the rest of the selector, which could only have ruled ids out, is left out", "see that all of the ids are wanted")
	}
}

func (s *section) tooMany(name string, n int) {
	if n > maxTerms {
		s.r.lose(Blocker, s.at(name), fmt.Sprintf("it comes to %d terms, and %d are allowed", n, maxTerms), "select by fewer values, or by a tag that all have")
	}
}

// listed are the values, separated by commas, of these keys.
func listed(selector map[string]string, keys ...string) []string {
	var out []string
	for _, key := range keys {
		for value := range strings.SplitSeq(selector[key], ",") {
			if value = strings.TrimSpace(value); value != "" && !slices.Contains(out, value) {
				out = append(out, value)
			}
		}
	}
	return out
}

// orNone is one empty value instead of none.
func orNone(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

func without(selector map[string]string, keys ...string) map[string]string {
	out := map[string]string{}
	for k, v := range selector {
		if !slices.Contains(keys, k) {
			out[k] = v
		}
	}
	return out
}

func count(selector map[string]string, keys []string) int {
	n := 0
	for _, key := range keys {
		if _, ok := selector[key]; ok {
			n++
		}
	}
	return n
}

// combinations are the sets of tags that a selector allows, in which each tag has one of its values; none for no tags.
func combinations(selector map[string]string) []map[string]string {
	if len(selector) == 0 {
		return nil
	}
	out := []map[string]string{{}}
	for _, key := range sortedKeys(selector) {
		var next []map[string]string
		for _, tags := range out {
			for _, value := range listed(selector, key) {
				more := map[string]string{key: value}
				for k, v := range tags {
					more[k] = v
				}
				next = append(next, more)
			}
		}
		out = next
	}
	return out
}
