package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// DecodeJSON decodes a JSON request into the struct that into points to. It returns an AWS error that names a member
// which is unknown, or a required one that is absent. Required members carry the tag `need:"true"`.
func DecodeJSON(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return awserr.New("SerializationException", "The request body is not a JSON object: %s", err)
	}
	v := reflect.ValueOf(into).Elem()
	if unknown := UnknownMembers(doc, v.Type()); len(unknown) > 0 {
		return awserr.New("ValidationException", "The parameter %s is not recognized", unknown[0])
	}
	if err := json.Unmarshal(body, into); err != nil {
		return awserr.New("SerializationException", "The request body does not fit: %s", err)
	}
	for field := range v.Type().Fields() {
		if field.Tag.Get("need") == "true" && v.FieldByName(field.Name).IsZero() {
			return awserr.New("ValidationException", "The request must contain the parameter %s", field.Tag.Get("json"))
		}
	}
	return nil
}

// UnknownMembers returns the paths of the members of a JSON document that a value of the type does not read, sorted.
func UnknownMembers(doc any, t reflect.Type) []string {
	var unknown []string
	walkMembers(doc, t, "", &unknown)
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

// walkMembers compares a document with a type.
func walkMembers(doc any, t reflect.Type, path string, unknown *[]string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch d := doc.(type) {
	case []any:
		if t.Kind() != reflect.Slice {
			return
		}
		for _, item := range d {
			walkMembers(item, t.Elem(), path, unknown)
		}
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return
		}
		known := map[string]reflect.Type{}
		Fields(t, "json", func(name string, _ bool, field reflect.StructField) { known[name] = field.Type })
		for name, item := range d {
			if ft, ok := known[name]; ok {
				walkMembers(item, ft, path+name+".", unknown)
			} else {
				*unknown = append(*unknown, path+name)
			}
		}
	}
}
