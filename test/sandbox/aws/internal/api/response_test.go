package api_test

import (
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	ec2v1 "github.com/aws/aws-sdk-go/service/ec2"
	iamv1 "github.com/aws/aws-sdk-go/service/iam"
	sqsv1 "github.com/aws/aws-sdk-go/service/sqs"
	stsv1 "github.com/aws/aws-sdk-go/service/sts"
	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

// What our answers are called on the wire is checked against two oracles. The modules of the JSON services ship answers
// with every member set. Those of the query services do not; but the structs of SDK version 1 carry the wire names of
// every member as tags.

// clients make the names of the v1 output types findable: each action is a method of the client.
var clients = map[string]reflect.Type{
	"ec2": reflect.TypeFor[*ec2v1.EC2](), "iam": reflect.TypeFor[*iamv1.IAM](), "sts": reflect.TypeFor[*stsv1.STS](),
}

// beyondV1 are members that SDK version 1 does not read: because they came after the release that we use (SDK version 2
// reads them, see the round trips), or because nobody reads them.
var beyondV1 = map[string]bool{
	"DescribeInstances:reservationSet/item/instancesSet/item/placement/availabilityZoneId": true,
	"RunInstances:instancesSet/item/placement/availabilityZoneId":                          true,
	// EC2 answers so, and the SDKs do not read it.
	"CreateTags:return": true, "DeleteTags:return": true,
}

func TestXMLAnswersHaveOnlyMembersThatTheSDKReads(t *testing.T) {
	for _, s := range services(t) {
		client, ok := clients[s.Name]
		if !ok {
			continue
		}
		for action, op := range s.Operations {
			t.Run(s.Name+"/"+action, func(t *testing.T) {
				g := NewWithT(t)
				method, ok := client.MethodByName(action)
				g.Expect(ok).To(BeTrue(), "SDK version 1 has no %s", action)
				sdk := map[string]bool{}
				sdkPaths(method.Type.Out(0), "", sdk, 0)
				for _, path := range xmlPaths(op.Out, "") {
					g.Expect(sdk[path] || beyondV1[action+":"+path]).To(BeTrue(), "the SDK reads no member %s", path)
				}
			})
		}
	}
}

// sdkPaths collects the element paths that a v1 output type is read from.
func sdkPaths(t reflect.Type, prefix string, paths map[string]bool, depth int) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	paths[prefix] = true
	if t.Kind() != reflect.Struct || t.String() == "time.Time" || depth > 12 {
		return
	}
	for field := range t.Fields() {
		if !field.IsExported() {
			continue
		}
		name := field.Tag.Get("locationName")
		if name == "" {
			name = field.Name
		}
		path := strings.TrimPrefix(prefix+"/"+name, "/")
		ft := field.Type
		if ft.Kind() == reflect.Slice && field.Tag.Get("type") == "list" {
			item := field.Tag.Get("locationNameList")
			if item == "" {
				item = "member"
			}
			path, ft = path+"/"+item, ft.Elem()
		}
		sdkPaths(ft, path, paths, depth+1)
	}
}

// xmlPaths returns the element paths that one of our output types is written to.
func xmlPaths(t reflect.Type, prefix string) (paths []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) || t.NumField() == 0 {
		return []string{prefix}
	}
	wire.Fields(t, "xml", func(name string, _ bool, field reflect.StructField) {
		path := strings.TrimPrefix(prefix+"/"+strings.ReplaceAll(name, ">", "/"), "/")
		paths = append(paths, xmlPaths(field.Type, path)...)
	})
	return paths
}

func TestJSONAnswersHaveOnlyMembersThatTheSDKReads(t *testing.T) {
	for _, s := range services(t) {
		if _, isXML := clients[s.Name]; isXML {
			continue
		}
		for action, op := range s.Operations {
			t.Run(s.Name+"/"+action, func(t *testing.T) {
				g := NewWithT(t)
				doc := answerDocument(t, s.Name, action)
				for _, ours := range jsonPaths(op.Out, nil) {
					g.Expect(reaches(doc, ours)).To(BeTrue(), "the SDK reads no member %s", strings.Join(ours, "."))
				}
			})
		}
	}
}

// answerDocument returns an answer with every member set. The module of SQS leaves out the answers that have checksums;
// for them it is made of the v1 struct, whose fields are called as on the wire.
func answerDocument(t *testing.T, service, action string) (doc any) {
	t.Helper()
	g := NewWithT(t)
	if service == "sqs" && (action == "ReceiveMessage" || action == "SendMessage") {
		method, ok := reflect.TypeFor[*sqsv1.SQS]().MethodByName(action)
		g.Expect(ok).To(BeTrue())
		return example(method.Type.Out(0))
	}
	path := filepath.Join(moduleDir(t, service), "response_snapshot", action+".response.snap")
	g.Expect(json.Unmarshal(orEmptyObject(readSnapshot(t, path).body), &doc)).To(Succeed())
	return doc
}

// example makes a document of a struct type whose fields are called as on the wire.
func example(t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer:
		return []any{example(t.Elem())}
	case t.Kind() == reflect.Struct:
		object := map[string]any{}
		for field := range t.Fields() {
			if field.IsExported() {
				object[field.Name] = example(field.Type)
			}
		}
		return object
	default:
		return "value"
	}
}

// orEmptyObject stands in for the body of an answer without members.
func orEmptyObject(body []byte) []byte {
	if len(body) == 0 || body[0] != '{' {
		return []byte("{}")
	}
	return body
}

// jsonPaths returns the member paths that one of our output types is written to; maps are leaves.
func jsonPaths(t reflect.Type, prefix []string) (paths [][]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.Implements(reflect.TypeFor[json.Marshaler]()) || t.NumField() == 0 {
		if len(prefix) == 0 {
			return nil
		}
		return [][]string{prefix}
	}
	wire.Fields(t, "json", func(name string, _ bool, field reflect.StructField) {
		paths = append(paths, jsonPaths(field.Type, append(append([]string{}, prefix...), name))...)
	})
	return paths
}

// reaches tells whether a path leads somewhere in a document; lists count as their first item.
func reaches(doc any, path []string) bool {
	for list, ok := doc.([]any); ok; list, ok = doc.([]any) {
		if len(list) == 0 {
			return false
		}
		doc = list[0]
	}
	if len(path) == 0 {
		return true
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return false
	}
	next, ok := object[path[0]]
	return ok && reaches(next, path[1:])
}

func TestTheOraclesKnowEveryService(t *testing.T) {
	g := NewWithT(t)
	for _, s := range services(t) {
		_, byTags := clients[s.Name]
		_, err := os.Stat(filepath.Join(moduleDir(t, s.Name), "response_snapshot"))
		g.Expect(byTags || err == nil).To(BeTrue(), "%s has neither v1 structs nor response snapshots", s.Name)
		g.Expect(s.Operations).NotTo(BeEmpty())
	}
}
