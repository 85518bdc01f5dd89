package check

import (
	"fmt"
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
)

// Narrower lists where a schema refuses, or drops, what an older one accepts: fields that are gone, that changed their type,
// that became required, lost values or got tighter bounds. Patterns and CEL rules cannot be compared and are left out.
func Narrower(older, newer *apiextensionsv1.JSONSchemaProps) []string {
	if older == nil || newer == nil {
		return nil
	}
	return narrower("", older, newer)
}

func narrower(path string, older, newer *apiextensionsv1.JSONSchemaProps) []string {
	if preserves(newer) && newer.Type == "" {
		return nil
	}
	if older.Type != newer.Type && (!older.XIntOrString || !newer.XIntOrString) {
		return []string{fmt.Sprintf("%s was %s and is %s", name(path), older.Type, newer.Type)}
	}
	out := append(narrowerValues(path, older, newer), narrowerFields(path, older, newer)...)
	if was, is := items(older), items(newer); was != nil && is != nil {
		out = append(out, narrower(path+"[]", was, is)...)
	}
	if was, is := additional(older), additional(newer); was != nil && is != nil {
		out = append(out, narrower(path+"{}", was, is)...)
	}
	return out
}

func narrowerValues(path string, older, newer *apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, value := range lostValues(older, newer) {
		out = append(out, name(path)+" loses the value "+value)
	}
	for _, bound := range tighterBounds(older, newer) {
		out = append(out, name(path)+" has a tighter "+bound)
	}
	for _, field := range newer.Required {
		if !slices.Contains(older.Required, field) && newer.Properties[field].Default == nil {
			out = append(out, name(path)+" requires "+field)
		}
	}
	return out
}

func narrowerFields(path string, older, newer *apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, field := range slices.Sorted(maps.Keys(older.Properties)) {
		was := older.Properties[field]
		is, there := newer.Properties[field]
		switch {
		case there:
			out = append(out, narrower(path+"."+field, &was, &is)...)
		case !preserves(newer):
			out = append(out, name(path)+" loses the field "+field)
		}
	}
	return out
}

func preserves(s *apiextensionsv1.JSONSchemaProps) bool {
	return ptr.Deref(s.XPreserveUnknownFields, false)
}

func items(s *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	if s.Items == nil {
		return nil
	}
	return s.Items.Schema
}

func additional(s *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	if s.AdditionalProperties == nil {
		return nil
	}
	return s.AdditionalProperties.Schema
}

func lostValues(older, newer *apiextensionsv1.JSONSchemaProps) []string {
	if len(newer.Enum) == 0 {
		return nil
	}
	if len(older.Enum) == 0 {
		return []string{"(any)"}
	}
	var out []string
	for _, v := range older.Enum {
		if !slices.ContainsFunc(newer.Enum, func(n apiextensionsv1.JSON) bool { return string(n.Raw) == string(v.Raw) }) {
			out = append(out, string(v.Raw))
		}
	}
	return out
}

func tighterBounds(older, newer *apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, b := range []struct {
		name         string
		older, newer *int64
		upper        bool
	}{
		{"maxLength", older.MaxLength, newer.MaxLength, true},
		{"maxItems", older.MaxItems, newer.MaxItems, true},
		{"maxProperties", older.MaxProperties, newer.MaxProperties, true},
		{"minLength", older.MinLength, newer.MinLength, false},
		{"minItems", older.MinItems, newer.MinItems, false},
		{"minProperties", older.MinProperties, newer.MinProperties, false},
	} {
		if b.name == "maxItems" && holdsAllValues(newer) {
			continue
		}
		if tighter(b.older, b.newer, b.upper) {
			out = append(out, b.name)
		}
	}
	if newer.Maximum != nil && (older.Maximum == nil || *newer.Maximum < *older.Maximum) {
		out = append(out, "maximum")
	}
	if newer.Minimum != nil && (older.Minimum == nil || *newer.Minimum > *older.Minimum) {
		out = append(out, "minimum")
	}
	return out
}

// holdsAllValues says that a list has room for each value that its items may have, so that its bound refuses only repetitions.
func holdsAllValues(list *apiextensionsv1.JSONSchemaProps) bool {
	item := items(list)
	return item != nil && len(item.Enum) > 0 && list.MaxItems != nil && *list.MaxItems >= int64(len(item.Enum))
}

func tighter(older, newer *int64, upper bool) bool {
	switch {
	case newer == nil:
		return false
	case older == nil:
		return true
	case upper:
		return *newer < *older
	default:
		return *newer > *older
	}
}

func name(path string) string {
	if path == "" {
		return "the object"
	}
	return path[1:]
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
