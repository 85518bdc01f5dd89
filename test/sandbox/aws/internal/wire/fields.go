package wire

import (
	"reflect"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// Fields calls f for every tagged field of a struct type, those of embedded structs included.
func Fields(t reflect.Type, tag string, f func(name string, required bool, field reflect.StructField)) {
	for field := range t.Fields() {
		value, tagged := field.Tag.Lookup(tag)
		if !tagged && field.Anonymous {
			Fields(field.Type, tag, f)
			continue
		}
		name, opts, _ := strings.Cut(value, ",")
		if name == "" || name == "-" {
			continue
		}
		f(name, strings.Contains(opts, "required"), field)
	}
}

// fieldByName finds the field that a parameter goes to.
func fieldByName(v reflect.Value, name, tag string) (found reflect.Value, ok bool) {
	Fields(v.Type(), tag, func(n string, _ bool, field reflect.StructField) {
		if n == name && !ok {
			// The field may be promoted from an embedded struct, which FieldByName resolves.
			found, ok = v.FieldByName(field.Name), true
		}
	})
	return found, ok
}

// checkRequired returns a MissingParameter error for the first required field that is zero.
func checkRequired(v reflect.Value, tag string) error {
	var missing string
	Fields(v.Type(), tag, func(name string, required bool, field reflect.StructField) {
		if required && missing == "" && v.FieldByName(field.Name).IsZero() {
			missing = name
		}
	})
	if missing != "" {
		return awserr.MissingParameter(missing)
	}
	return nil
}
