package namespaces

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestMapsAll(t *testing.T) {
	for name, c := range map[string]struct {
		idMap string
		want  bool
	}{
		"the machine's":      {"         0          0 4294967295\n", true},
		"one user":           {"         0       1000          1\n", false},
		"subordinate users":  {"         0       1000          1\n         1     100000      65536\n", true},
		"a gap":              {"         0       1000          1\n         2     100000      65536\n", false},
		"too few":            {"         0     100000      10000\n", false},
		"none":               {"", false},
		"what is no map":     {"zero one two\n", false},
		"in a container":     {"         0     231072      65536\n", true},
		"not from the first": {"      1000     231072      65536\n", false},
	} {
		NewWithT(t).Expect(mapsAll(c.idMap)).To(Equal(c.want), name)
	}
}
