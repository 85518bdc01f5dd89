package podrunner

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// tickingClock is a second later each time it is asked.
type tickingClock struct{ *clocktesting.FakePassiveClock }

func (c tickingClock) Now() time.Time {
	now := c.FakePassiveClock.Now()
	c.SetTime(now.Add(time.Second))
	return now
}

func recorded(t *testing.T, output string) string {
	t.Helper()
	l := podLogs{dir: t.TempDir(), clock: tickingClock{clocktesting.NewFakePassiveClock(epoch)}}
	var done sync.WaitGroup
	NewWithT(t).Expect(l.record(&done, "main", 0, io.NopCloser(strings.NewReader(output)))).To(Succeed())
	done.Wait()
	return l.file("main", 0)
}

func readLog(t *testing.T, path, query string) string {
	t.Helper()
	g := NewWithT(t)
	q, err := url.ParseQuery(query)
	g.Expect(err).NotTo(HaveOccurred())
	o, err := parseLogOptions(q, epoch.Add(5*time.Second))
	g.Expect(err).NotTo(HaveOccurred())
	var out strings.Builder
	r := &logReader{options: o, out: &out, flush: func() {}}
	ended := make(chan struct{})
	close(ended)
	g.Expect(r.copy(t.Context(), path, ended, clock.RealClock{})).To(Succeed())
	return out.String()
}

func TestLogsAreReadAsKubectlAsksForThem(t *testing.T) {
	path := recorded(t, "zero\none\n\nthree\nfour") // the last line has no end
	for query, want := range map[string]string{
		"":                                "zero\none\n\nthree\nfour\n",
		"follow=true":                     "zero\none\n\nthree\nfour\n",
		"tailLines=2":                     "three\nfour\n",
		"tailLines=0":                     "",
		"tailLines=100":                   "zero\none\n\nthree\nfour\n",
		"limitBytes=6":                    "zero\no",
		"sinceSeconds=2":                  "three\nfour\n",
		"sinceTime=2026-01-01T00:00:04Z":  "four\n",
		"timestamps=true&tailLines=1":     "2026-01-01T00:00:04Z four\n",
		"tailLines=3&sinceSeconds=2":      "three\nfour\n",
		"tailLines=2&limitBytes=3":        "thr",
		"previous=false&timestamps=false": "zero\none\n\nthree\nfour\n",
	} {
		NewWithT(t).Expect(readLog(t, path, query)).To(Equal(want), query)
	}
}

func TestALongLineStaysOneLine(t *testing.T) {
	long := strings.Repeat("x", 3*maxLogLine+7)
	NewWithT(t).Expect(readLog(t, recorded(t, long+"\nshort\n"), "")).To(Equal(long + "\nshort\n"))
}

func TestWrongLogOptionsAreRefused(t *testing.T) {
	for query, want := range map[string]string{
		"tailLines=many":  `tailLines: "many" is no number of 0 or more`,
		"limitBytes=-1":   `limitBytes: "-1" is no number of 0 or more`,
		"sinceTime=today": "sinceTime",
	} {
		q, err := url.ParseQuery(query)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		_, err = parseLogOptions(q, epoch)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestAFollowedLogGoesOnUntilTheContainerEnds(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "log")
	write := func(text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		g.Expect(err).NotTo(HaveOccurred())
		defer f.Close()
		_, err = f.WriteString(text)
		g.Expect(err).NotTo(HaveOccurred())
	}
	write("2026-01-01T00:00:00Z stdout F first\n2026-01-01T00:00:01Z stdout F sec")
	r, w := io.Pipe()
	ended := make(chan struct{})
	finished := make(chan error, 1)
	go func() {
		reader := &logReader{options: logOptions{follow: true, tail: -1, limit: -1}, out: w, flush: func() {}}
		finished <- reader.copy(t.Context(), path, ended, clock.RealClock{})
		w.Close()
	}()
	line := func() string {
		buf := make([]byte, 64)
		n, err := r.Read(buf)
		g.Expect(err).NotTo(HaveOccurred())
		return string(buf[:n])
	}
	g.Expect(line()).To(Equal("first\n"))
	write("ond\n")
	g.Expect(line()).To(Equal("second\n"), "half a line waits for its other half")
	g.Consistently(finished, 300*time.Millisecond).ShouldNot(Receive())
	write("2026-01-01T00:00:02Z stdout F last\n")
	close(ended)
	g.Expect(line()).To(Equal("last\n"))
	g.Eventually(finished, 10*time.Second).Should(Receive(BeNil()))
}
