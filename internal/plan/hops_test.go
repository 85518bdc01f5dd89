package plan

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := "testdata/" + file
	if *update {
		NewWithT(t).Expect(os.WriteFile(path, []byte(got), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(path)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(got).To(Equal(string(want)), "go test ./internal/plan -update writes it anew")
}

// asked are the pairs of testdata/hops.txt: from, to, and then the strategy or stops.
var asked = strings.Fields(`
0.24.1>1.14.1 0.25.0>1.14.1 0.26.1>1.0.14 0.27.2>1.5.0 0.28.0>1.14.1 0.28.1>1.9.2 0.29.1>1.14.1 0.30.0>1.1.10
0.31.0>1.5.0 0.31.3>1.5.0 0.31.4>1.5.0 0.31.5>1.5.8 0.31.5>1.14.1,0.32.9,0.36.9,1.0.8
0.32.0>1.0.0 0.32.10>1.0.14 0.32.1>1.14.1 0.32.10>1.14.1,0.33.12 0.32.10>1.14.1,1.0.8,0.37.8
0.33.0>1.0.14 0.33.5>1.1.0 0.34.4>1.14.1 0.35.12>1.6.8
0.36.2>1.14.1 0.36.2>1.14.1,1.0.8 0.36.2>1.14.1,InPlace 0.36.2>1.0.8 0.36.2>1.0.8,InPlace
0.37.0>1.5.0 0.37.8>1.0.14 0.37.8>1.1.0 0.37.8>1.15.0
1.0.0>1.0.14 1.0.2>1.6.8 1.0.8>1.14.1 1.0.8>1.14.1,InPlace 1.0.14>1.1.0 1.1.0>1.2.8 1.4.4>1.5.0
1.5.0>1.14.1 1.8.4>1.14.1 1.8.4>1.8.8 1.13.1>1.14.1 v1.13.1>1.14.1 1.14.0>1.14.1 1.14.1>1.14.9 1.14.1>1.15.0 1.15.0>1.16.0
1.0.8>1.8.4 0.37.8>1.8.4 1.14.1>1.14.1 1.14.1>1.13.1 1.14.1>0.37.8 1.0.8>0.37.8 0.31.5>0.37.8 0.25.0>0.32.10 1.0.8>0.99.0 1.0.8>2.0.0
1.0.8>banana 1.0.8>v1.14.1 1.0.8>1.14 >1.14.1 latest>1.14.1
0.37.8>1.14.1,1.3.0 0.37.8>1.14.1,0.37.7 0.37.8>1.14.1,1.0.8,1.0.9 0.37.8>1.14.1,one 1.0.8>1.14.1,1.0.14 0.32.10>1.14.1,0.35.3 0.37.8>1.14.1,v1.0.8
`)

func request(pair string) Request {
	from, rest, _ := strings.Cut(pair, ">")
	to, options, _ := strings.Cut(rest, ",")
	req := Request{From: from, To: to, Strategy: v1alpha1.StrategyBlueGreen}
	for _, o := range strings.FieldsFunc(options, func(r rune) bool { return r == ',' }) {
		if o == string(v1alpha1.StrategyInPlace) {
			req.Strategy = v1alpha1.StrategyInPlace
		} else {
			req.Stops = append(req.Stops, o)
		}
	}
	return req
}

func TestHops(t *testing.T) {
	c := versions(t)
	var out strings.Builder
	for _, pair := range asked {
		req := request(pair)
		fmt.Fprintf(&out, "%s > %s  %s", req.From, req.To, req.Strategy)
		if len(req.Stops) > 0 {
			fmt.Fprintf(&out, ", stops %s", strings.Join(req.Stops, " "))
		}
		out.WriteString("\n")
		hops, refusal := Hops(c, req)
		if refusal != nil {
			fmt.Fprintf(&out, "  refused: %s, %s: %s; %s\n\n", refusal.Code, refusal.Object, refusal.Why, refusal.Fix)
			continue
		}
		for _, h := range hops {
			fmt.Fprintf(&out, "  %-8s %-9s back to %-8s", h.Version, h.Strategy, orNone(h.RollbackTo))
			if h.StoredVersion != "" {
				fmt.Fprintf(&out, " stores %s", h.StoredVersion)
			}
			out.WriteString("\n")
			if h.PointOfNoReturn != "" {
				fmt.Fprintf(&out, "           no return: %s\n", h.PointOfNoReturn)
			}
		}
		out.WriteString("\n")
	}
	golden(t, "hops.txt", out.String())
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

// What is said of each hop, of a few ways that together cross every release.
func TestWhatIsSaidOfHops(t *testing.T) {
	c := versions(t)
	for _, pair := range []string{"0.25.0>1.14.1", "0.37.0>1.5.0", "1.0.2>1.6.8", "0.36.2>1.0.8"} {
		t.Run(pair, func(t *testing.T) {
			hops, refusal := Hops(c, request(pair))
			NewWithT(t).Expect(refusal).To(BeNil())
			doc, err := yaml.Marshal(hops)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			golden(t, strings.ReplaceAll(pair, ">", "-to-")+".yaml", string(doc))
		})
	}
}
