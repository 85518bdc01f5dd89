package values

import (
	"strings"
)

// get is the value at a path of keys that have no dots in them.
func get(m map[string]any, path string) (any, bool) {
	head, rest, deeper := strings.Cut(path, ".")
	v, ok := m[head]
	if !ok || !deeper {
		return v, ok
	}
	below, isMap := v.(map[string]any)
	if !isMap {
		return nil, false
	}
	return get(below, rest)
}

// remove takes the value at a path out, and with it the mappings that held nothing else.
func remove(m map[string]any, path string) (any, bool) {
	head, rest, deeper := strings.Cut(path, ".")
	v, ok := m[head]
	if !ok {
		return nil, false
	}
	if !deeper {
		delete(m, head)
		return v, true
	}
	below, isMap := v.(map[string]any)
	if !isMap {
		return nil, false
	}
	v, ok = remove(below, rest)
	if ok && len(below) == 0 {
		delete(m, head)
	}
	return v, ok
}

// put sets the value at a path, and makes the mappings that it needs.
func put(m map[string]any, path string, v any) {
	head, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		m[head] = v
		return
	}
	put(child(m, head), rest, v)
}

// text is the value at a path where that is a string.
func text(m map[string]any, path string) string {
	v, _ := get(m, path)
	s, _ := v.(string)
	return s
}

// mappings are the mappings among the elements of a list.
func mappings(list any) []map[string]any {
	var out []map[string]any
	elements, _ := list.([]any)
	for _, e := range elements {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// empty says that a template takes a value for none.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// number says whether a value is this number, however it was read or written.
func number(v any, is int64) bool {
	switch v := v.(type) {
	case int64:
		return v == is
	case float64:
		return v == float64(is)
	}
	return false
}

// truth reads a boolean that may have been written as a string; set is false where it is neither true nor false.
func truth(v any) (value, set bool) {
	switch v {
	case true, "true":
		return true, true
	case false, "false":
		return false, true
	}
	return false, false
}
