package report_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/observer/report"
)

func TestWriteAndRead(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "out", "report.json")
	want := report.Report{
		From: "1.0.8", To: "1.14.1", Started: time.Unix(1, 0).UTC(), LeaderlessSeconds: 1.5,
		Leaderless: []report.Gap{{At: time.Unix(2, 0).UTC(), From: "a", To: "b", Seconds: 1.5}},
		Requests:   report.Requests{ByClient: map[string]int64{"operator": 7}},
	}
	g.Expect(report.Write(path, report.Report{From: "something else"})).To(Succeed())
	g.Expect(report.Write(path, want)).To(Succeed())
	g.Expect(report.Read(path)).To(Equal(want))
	left, err := os.ReadDir(filepath.Dir(path))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(HaveLen(1), "no temporary file is left")
}

func TestWriteSaysWhere(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "file")
	g.Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
	g.Expect(report.Write(filepath.Join(file, "report.json"), report.Report{})).To(MatchError(ContainSubstring(file)))
}

func TestReadOfSomethingElse(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "report.json")
	g.Expect(os.WriteFile(path, []byte("no report"), 0o600)).To(Succeed())
	_, err := report.Read(path)
	g.Expect(err).To(MatchError(ContainSubstring(path)))
}
