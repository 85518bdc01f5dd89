package convert

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// reader reads one object. It keeps the first error, and all losses.
type reader struct {
	object string
	losses []Loss
	err    error
	// open are the sections whose rest is reported in the end.
	open []*section
}

// section is a mapping in the object that is read. What has been taken from it is no longer in rest.
type section struct {
	r    *reader
	path string
	rest map[string]any
}

// read begins to read the spec of an object, which must be of this kind.
func read(in *unstructured.Unstructured, kind schema.GroupVersionKind) (*reader, *section, error) {
	if in.GroupVersionKind() != kind {
		return nil, nil, fmt.Errorf("%s/%s: it is of apiVersion %s, kind %s, and %s, kind %s is wanted",
			in.GetKind(), in.GetName(), in.GetAPIVersion(), in.GetKind(), kind.GroupVersion(), kind.Kind)
	}
	r := &reader{object: in.GetKind() + "/" + in.GetName()}
	all := &section{r: r, rest: in.DeepCopy().Object}
	return r, all.section("spec"), nil
}

// finish reports what was not read, and returns the losses or the first error.
func (r *reader) finish() ([]Loss, error) {
	if r.err != nil {
		return nil, r.err
	}
	for _, s := range r.open {
		for _, name := range sortedKeys(s.rest) {
			if s.rest[name] != nil {
				r.lose(Warning, s.at(name), "there is no such field in the new version, and it is not carried over",
					"look whether something else does what it did, and remove it")
			}
		}
	}
	return r.losses, nil
}

func (r *reader) lose(severity Severity, field, why, fix string) {
	r.losses = append(r.losses, Loss{Object: r.object, Field: field, Why: why, Fix: fix, Severity: severity})
}

func (r *reader) failf(path, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s: %s", r.object, path, fmt.Sprintf(format, args...))
	}
}

func (s *section) at(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// take takes a field of any type; nil if it is not there.
func (s *section) take(name string) any {
	v := s.rest[name]
	delete(s.rest, name)
	return v
}

// section takes a mapping; an empty one if it is not there.
func (s *section) section(name string) *section {
	sub := &section{r: s.r, path: s.at(name), rest: map[string]any{}}
	switch v := s.take(name).(type) {
	case nil:
	case map[string]any:
		sub.rest = v
	default:
		s.r.failf(sub.path, "it is %T and not a mapping", v)
	}
	s.r.open = append(s.r.open, sub)
	return sub
}

// sections takes a list of mappings.
func (s *section) sections(name string) []*section {
	items := s.list(name)
	out := make([]*section, 0, len(items))
	for i, item := range items {
		sub := &section{r: s.r, path: fmt.Sprintf("%s[%d]", s.at(name), i), rest: map[string]any{}}
		if m, ok := item.(map[string]any); ok {
			sub.rest = m
		} else {
			s.r.failf(sub.path, "it is %T and not a mapping", item)
		}
		s.r.open = append(s.r.open, sub)
		out = append(out, sub)
	}
	return out
}

// list takes a list; nil if it is not there.
func (s *section) list(name string) []any {
	switch v := s.take(name).(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		s.r.failf(s.at(name), "it is %T and not a list", v)
		return nil
	}
}

// text takes a string; empty if it is not there.
func (s *section) text(name string) string {
	switch v := s.take(name).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		s.r.failf(s.at(name), "it is %T and not a string", v)
		return ""
	}
}

// texts takes a mapping of strings; nil if it is not there.
func (s *section) texts(name string) map[string]string {
	sub := s.section(name).rest
	if len(sub) == 0 {
		return nil
	}
	out := map[string]string{}
	for key, v := range sub {
		text, ok := v.(string)
		if !ok {
			s.r.failf(s.at(name)+"."+key, "it is %T and not a string", v)
		}
		out[key] = text
	}
	clear(sub)
	return out
}

// whole takes a whole number; false if it is not there.
func (s *section) whole(name string) (int64, bool) {
	switch v := s.take(name).(type) {
	case nil:
		return 0, false
	case int64:
		return v, true
	case float64:
		if n := int64(v); float64(n) == v {
			return n, true
		}
		s.r.failf(s.at(name), "%v is not a whole number", v)
	default:
		s.r.failf(s.at(name), "it is %T and not a number", v)
	}
	return 0, false
}

// move carries fields over as they are, where they are there.
func (s *section) move(to map[string]any, names ...string) {
	for _, name := range names {
		if v := s.take(name); v != nil {
			to[name] = v
		}
	}
}

// moveFull carries fields over where they are not empty: Karpenter's types leave these out when they are.
func (s *section) moveFull(to map[string]any, names ...string) {
	for _, name := range names {
		put(to, name, s.take(name))
	}
}

// put sets a field, unless the value is empty.
func put(to map[string]any, name string, value any) {
	switch v := value.(type) {
	case nil:
		return
	case string:
		if v == "" {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	case map[string]any:
		if len(v) == 0 {
			return
		}
	}
	to[name] = value
}

// anyMap makes a mapping of strings one of unstructured content.
func anyMap(in map[string]string) map[string]any {
	out := make(map[string]any, len(in))
	for k, v := range in {
		out[k] = v
	}
	return out
}

// maplist makes unstructured content of mappings.
func maplist(in []map[string]any) []any {
	out := make([]any, 0, len(in))
	for _, m := range in {
		out = append(out, m)
	}
	return out
}

// sortedKeys are the keys of a mapping in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
