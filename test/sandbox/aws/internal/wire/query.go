package wire

import (
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// maxListIndex bounds the lists of a query request. The longest that AWS takes is shorter.
const maxListIndex = 2000

// envelope are the query parameters that belong to the protocol and not to an operation.
var envelope = map[string]bool{"Action": true, "Version": true}

// DecodeQuery decodes a query request into the struct that into points to. It returns an AWS error that names the
// first parameter, in alphabetic order, which is unknown or malformed, or a required one that is absent.
func DecodeQuery(p Protocol, form url.Values, into any) error {
	unknown, err := decodeForm(p, form, reflect.ValueOf(into).Elem())
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		return awserr.UnknownParameter(unknown[0])
	}
	return checkRequired(reflect.ValueOf(into).Elem(), "q")
}

// UnknownQueryParameters returns the parameters of the form that a struct of the given type does not read, sorted.
func UnknownQueryParameters(p Protocol, form url.Values, in reflect.Type) []string {
	unknown, _ := decodeForm(p, form, reflect.New(in).Elem())
	return unknown
}

// decodeForm decodes what it knows and returns the sorted names that it does not.
func decodeForm(p Protocol, form url.Values, into reflect.Value) (unknown []string, err error) {
	names := make([]string, 0, len(form))
	for name := range form {
		if !envelope[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		d := paramDecoder{protocol: p, name: name, value: form.Get(name)}
		switch known, derr := d.decode(into, strings.Split(name, ".")); {
		case derr != nil && err == nil:
			err = derr
		case derr == nil && !known:
			unknown = append(unknown, name)
		}
	}
	return unknown, err
}

// paramDecoder decodes one parameter.
type paramDecoder struct {
	protocol    Protocol
	name, value string
}

// decode puts the value where the path leads and tells whether the path is known.
func (d paramDecoder) decode(v reflect.Value, path []string) (bool, error) {
	if v.Kind() == reflect.Pointer {
		target := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			target = v
		}
		known, err := d.decode(target.Elem(), path)
		if known && err == nil {
			v.Set(target)
		}
		return known, err
	}
	switch {
	case isScalar(v.Type()):
		return len(path) == 0, d.set(v, len(path) == 0)
	case v.Kind() == reflect.Struct && len(path) > 0:
		field, ok := fieldByName(v, path[0], "q")
		if !ok {
			return false, nil
		}
		return d.decode(field, path[1:])
	case v.Kind() == reflect.Slice:
		return d.decodeList(v, path)
	default:
		return false, nil
	}
}

// decodeList follows Name.N of EC2 query or Name.member.N of AWS query.
func (d paramDecoder) decodeList(v reflect.Value, path []string) (bool, error) {
	if d.protocol == AWSQuery {
		if len(path) == 0 || path[0] != "member" {
			// An empty list is sent as Name= by the query protocols.
			return len(path) == 0 && d.value == "", nil
		}
		path = path[1:]
	}
	if len(path) == 0 {
		return d.value == "", nil
	}
	n, ok := listIndex(path[0])
	if !ok {
		return false, nil
	}
	if n > v.Len() {
		grown := reflect.MakeSlice(v.Type(), n, n)
		reflect.Copy(grown, v)
		v.Set(grown)
	}
	return d.decode(v.Index(n-1), path[1:])
}

// listIndex reads the index of a list, which counts from 1.
func listIndex(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= maxListIndex
}

// set parses the value into a scalar.
func (d paramDecoder) set(v reflect.Value, here bool) error {
	if !here {
		return nil
	}
	switch v.Interface().(type) {
	case time.Time:
		t, err := time.Parse(time.RFC3339, d.value)
		if err != nil {
			return awserr.InvalidValue(d.name, d.value, "Expecting a date and time in ISO 8601.")
		}
		v.Set(reflect.ValueOf(t))
		return nil
	case bool:
		b, err := strconv.ParseBool(d.value)
		if err != nil {
			return awserr.InvalidValue(d.name, d.value, "Expecting true or false.")
		}
		v.SetBool(b)
		return nil
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(d.value, 10, 64)
		if err != nil || v.OverflowInt(n) {
			return awserr.InvalidValue(d.name, d.value, "Expecting an integer.")
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(d.value, 64)
		if err != nil {
			return awserr.InvalidValue(d.name, d.value, "Expecting a number.")
		}
		v.SetFloat(f)
	default:
		v.SetString(d.value)
	}
	return nil
}

// isScalar tells whether a parameter of the type is a leaf.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return true
	default:
		return t == reflect.TypeFor[time.Time]()
	}
}
