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
	if ptr.Deref(newer.XPreserveUnknownFields, false) && newer.Type == "" {
		return nil
	}
	var out []string
	at := func(format string, args ...any) { out = append(out, name(path)+" "+fmt.Sprintf(format, args...)) }
	if older.Type != newer.Type && !(older.XIntOrString && newer.XIntOrString) {
		at("was %s and is %s", older.Type, newer.Type)
		return out
	}
	for _, value := range lostValues(older, newer) {
		at("loses the value %s", value)
	}
	for _, bound := range tighterBounds(older, newer) {
		at("has a tighter %s", bound)
	}
	for _, field := range newer.Required {
		if !slices.Contains(older.Required, field) && newer.Properties[field].Default == nil {
			at("requires %s", field)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(older.Properties)) {
		was, is := older.Properties[field], newer.Properties[field]
		if _, there := newer.Properties[field]; !there {
			if !ptr.Deref(newer.XPreserveUnknownFields, false) {
				at("loses the field %s", field)
			}
			continue
		}
		out = append(out, narrower(path+"."+field, &was, &is)...)
	}
	if older.Items != nil && newer.Items != nil && older.Items.Schema != nil && newer.Items.Schema != nil {
		out = append(out, narrower(path+"[]", older.Items.Schema, newer.Items.Schema)...)
	}
	if older.AdditionalProperties != nil && newer.AdditionalProperties != nil && older.AdditionalProperties.Schema != nil && newer.AdditionalProperties.Schema != nil {
		out = append(out, narrower(path+"{}", older.AdditionalProperties.Schema, newer.AdditionalProperties.Schema)...)
	}
	return out
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
		if tighter(b.older, b.newer, b.upper) && !(b.name == "maxItems" && holdsAllValues(newer)) {
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
	return list.Items != nil && list.Items.Schema != nil && len(list.Items.Schema.Enum) > 0 &&
		*list.MaxItems >= int64(len(list.Items.Schema.Enum))
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

func sortedKeys(m map[string]bool) []string {
	return slices.Sorted(maps.Keys(m))
}
