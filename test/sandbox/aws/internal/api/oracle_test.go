package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// The SDK modules ship, for every action, the request that the SDK makes with every parameter set. They are the oracle
// for what our inputs are called on the wire: each parameter is either decoded, or listed in unsupported_test.go and
// refused by its name; and our inputs know no parameter that the SDK does not.

// modules are the SDK modules by service.
var modules = map[string]string{
	"ec2": "ec2", "eks": "eks", "iam": "iam", "pricing": "pricing", "sqs": "sqs", "ssm": "ssm", "sts": "sts",
	"arc-zonal-shift": "arczonalshift",
}

func services(t *testing.T) []*wire.Service {
	t.Helper()
	g := NewWithT(t)
	seed, err := world.DefaultSeed()
	g.Expect(err).NotTo(HaveOccurred())
	w, err := world.New(world.Config{Seed: seed, Settings: world.DefaultSettings(), Clock: clock.RealClock{}})
	g.Expect(err).NotTo(HaveOccurred())
	return api.Services(w)
}

var moduleDirs sync.Map

// moduleDir is where the SDK module of a service is in the module cache.
func moduleDir(t *testing.T, service string) string {
	t.Helper()
	g := NewWithT(t)
	if dir, ok := moduleDirs.Load(service); ok {
		return dir.(string)
	}
	module := "github.com/aws/aws-sdk-go-v2/service/" + modules[service]
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	g.Expect(err).NotTo(HaveOccurred(), "finding module %s", module)
	dir := strings.TrimSpace(string(out))
	g.Expect(dir).NotTo(BeEmpty(), "module %s is not in the module cache", module)
	moduleDirs.Store(service, dir)
	return dir
}

// snapshot is a request or an answer as the SDK's own tests have it.
type snapshot struct {
	first string
	body  []byte
}

// readSnapshot reads a snapshot: a first line, headers, and a body, with blank lines between.
func readSnapshot(t *testing.T, path string) snapshot {
	t.Helper()
	g := NewWithT(t)
	raw, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	var s snapshot
	scanner := bufio.NewScanner(bytes.NewReader(raw))
	scanner.Buffer(nil, 8<<20)
	for scanner.Scan() {
		line := scanner.Text()
		switch {
		case s.first == "":
			s.first = line
		case line != "":
			s.body = []byte(line) // Headers come before: the last line is the body.
		}
	}
	g.Expect(scanner.Err()).NotTo(HaveOccurred())
	return s
}

// index is a list index in the name of a parameter.
var index = regexp.MustCompile(`\.[0-9]+(\.|$)`)

// pattern replaces the indexes of a name by N.
func pattern(name string) string {
	for index.MatchString(name) {
		name = index.ReplaceAllString(name, ".N$1")
	}
	return name
}

// requestParameters returns the parameters of a snapshot as the operation would be given them.
func requestParameters(t *testing.T, s *wire.Service, action string) (form url.Values, doc map[string]any) {
	t.Helper()
	g := NewWithT(t)
	snap := readSnapshot(t, filepath.Join(moduleDir(t, s.Name), "request_snapshot", action+".request.snap"))
	switch s.Protocol {
	case wire.EC2Query, wire.AWSQuery:
		form, err := url.ParseQuery(string(snap.body))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(form.Get("Action")).To(Equal(action))
		g.Expect(form.Get("Version")).To(Equal(s.Version), "API version")
		return form, nil
	case wire.RESTJSON:
		method, target, _ := strings.Cut(snap.first, " ")
		u, err := url.Parse(target)
		g.Expect(err).NotTo(HaveOccurred())
		found, form, ok := s.FindRoute(method, u)
		g.Expect(ok).To(BeTrue(), "route of %s", snap.first)
		g.Expect(found).To(Equal(action))
		g.Expect(string(snap.body)).NotTo(HavePrefix("{"), "a body that nothing reads")
		return form, nil
	default:
		g.Expect(json.Unmarshal(snap.body, &doc)).To(Succeed())
		return nil, doc
	}
}

func TestEveryParameterOfTheSDKIsDecodedOrRefusedByName(t *testing.T) {
	for _, s := range services(t) {
		for action, op := range s.Operations {
			t.Run(s.Name+"/"+action, func(t *testing.T) {
				g := NewWithT(t)
				form, doc := requestParameters(t, s, action)
				var unknown []string
				if doc != nil {
					unknown = wire.UnknownMembers(doc, op.In)
				} else {
					for _, name := range wire.UnknownQueryParameters(s.Protocol, form, op.In) {
						unknown = append(unknown, pattern(name))
					}
				}
				listed := unsupported[s.Name+":"+action]
				for _, name := range unknown {
					g.Expect(slices.ContainsFunc(listed, func(p string) bool { return under(name, p) })).
						To(BeTrue(), "parameter %s is neither decoded nor listed as unsupported", name)
				}
				for _, p := range listed {
					g.Expect(slices.ContainsFunc(unknown, func(name string) bool { return under(name, p) })).
						To(BeTrue(), "parameter %s is listed as unsupported, but is decoded or does not exist", p)
				}
			})
		}
	}
}

// under tells whether a parameter is, or is a part of, another.
func under(name, prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+".") }

func TestInputsKnowNoParameterThatTheSDKDoesNot(t *testing.T) {
	for _, s := range services(t) {
		for action, op := range s.Operations {
			t.Run(s.Name+"/"+action, func(t *testing.T) {
				g := NewWithT(t)
				form, doc := requestParameters(t, s, action)
				var sdk, ours []string
				if doc != nil {
					sdk = members(doc, "")
					ours = inputNames(op.In, "json", "", wire.JSON10)
				} else {
					for name := range form {
						sdk = append(sdk, pattern(name))
					}
					ours = inputNames(op.In, "q", "", s.Protocol)
				}
				for _, name := range ours {
					g.Expect(sdk).To(ContainElement(name), "%s has no such parameter", action)
				}
			})
		}
	}
}

// inputNames returns the names of all parameters that a type reads.
func inputNames(in reflect.Type, tag, prefix string, p wire.Protocol) (names []string) {
	for in.Kind() == reflect.Pointer {
		in = in.Elem()
	}
	if in.Kind() == reflect.Slice {
		switch {
		case tag == "json":
			return inputNames(in.Elem(), tag, prefix, p)
		case p == wire.AWSQuery:
			return inputNames(in.Elem(), tag, prefix+".member.N", p)
		default:
			return inputNames(in.Elem(), tag, prefix+".N", p)
		}
	}
	if in.Kind() != reflect.Struct || in.String() == "time.Time" {
		return []string{prefix}
	}
	wire.Fields(in, tag, func(name string, _ bool, field reflect.StructField) {
		names = append(names, inputNames(field.Type, tag, strings.TrimPrefix(prefix+"."+name, "."), p)...)
	})
	return names
}

// members returns the paths of the leaves of a JSON document; lists count as their items.
func members(doc any, prefix string) (paths []string) {
	switch d := doc.(type) {
	case map[string]any:
		for name, item := range d {
			paths = append(paths, members(item, strings.TrimPrefix(prefix+"."+name, "."))...)
		}
	case []any:
		for _, item := range d {
			paths = append(paths, members(item, prefix)...)
		}
	default:
		paths = []string{prefix}
	}
	return paths
}
