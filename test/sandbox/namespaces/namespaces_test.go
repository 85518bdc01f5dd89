package namespaces

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAwaitTellsHowTheSandboxComesUp(t *testing.T) {
	for name, c := range map[string]struct {
		report   func(r *Reporter, w io.Closer)
		progress string
		want     string
	}{
		"ready": {func(r *Reporter, _ io.Closer) {
			r.Progress("half way")
			r.Ready()
		}, "half way\n", ""},
		"failed":       {func(r *Reporter, _ io.Closer) { r.Fail(errors.New("no bridge")) }, "", "no bridge"},
		"ended":        {func(_ *Reporter, w io.Closer) { w.Close() }, "", "it ended without saying why"},
		"silent start": {func(r *Reporter, w io.Closer) { r.Progress("half way"); w.Close() }, "half way\n", "it ended without saying why"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r, w, err := os.Pipe()
			g.Expect(err).NotTo(HaveOccurred())
			defer r.Close()
			go c.report(NewReporter(w), w)
			var progress bytes.Buffer
			err = Await(r, &progress)
			if c.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(c.want))
			}
			g.Expect(progress.String()).To(Equal(c.progress))
		})
	}
}

func TestExplainNamesWhatTheMachineLacksAndTheFix(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		sysctl map[string]string
		want   string
	}{
		"switched off":   {syscall.ENOSPC, map[string]string{"user/max_user_namespaces": "0"}, "sysctl user.max_user_namespaces=10000"},
		"root only":      {syscall.EPERM, map[string]string{"kernel/unprivileged_userns_clone": "0"}, "sysctl kernel.unprivileged_userns_clone=1"},
		"AppArmor":       {syscall.EACCES, map[string]string{"kernel/apparmor_restrict_unprivileged_userns": "1"}, "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		"container":      {syscall.EPERM, nil, "start it with --privileged"},
		"no bridge":      {syscall.EOPNOTSUPP, nil, "modprobe -a bridge veth"},
		"another matter": {syscall.ENOENT, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := explain(fmt.Errorf("making namespaces: %w", c.err), func(path string) string { return c.sysctl[path] })
			g.Expect(err).To(MatchError(c.err))
			g.Expect(strings.Count(err.Error(), "\n")).To(BeZero(), "one line")
			if c.want == "" {
				g.Expect(err.Error()).To(HaveSuffix(c.err.Error()))
			} else {
				g.Expect(err.Error()).To(ContainSubstring(c.want))
			}
		})
	}
	NewWithT(t).Expect(Explain(nil)).To(Succeed())
}
