package state

import (
	"os"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestParseStatSurvivesAnyCommandName(t *testing.T) {
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"
	for name, line := range map[string]string{
		"plain":       "42 (sandbox)" + tail,
		"spaces":      "42 (my program)" + tail,
		"parentheses": "42 (a) Z 1 (b)" + tail,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			stat, err := parseStat(line)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(stat).To(Equal(procStat{state: "S", threads: 17, startTicks: 4711}))
		})
	}
	for _, line := range []string{"", "42 (short) S 1", "42 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 soon"} {
		_, err := parseStat(line)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("unexpected process status")), line)
	}
}

func TestAProcessHasEndedWhenItsLastThreadHas(t *testing.T) {
	g := NewWithT(t)
	for line, ended := range map[string]bool{
		"42 (sandbox) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 9 18 4711": false,
		"42 (sandbox) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 2 18 4711": false, // its first thread has ended
		"42 (sandbox) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 1 18 4711": true,
		"42 (sandbox) X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 0 18 4711": true,
	} {
		stat, err := parseStat(line)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(stat.ended()).To(Equal(ended), line)
	}
}

func TestKillSparesAProcessThatReusesTheID(t *testing.T) {
	g := NewWithT(t)
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	g.Expect(cmd.Start()).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	running, err := Identify(cmd.Process.Pid)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(running.Alive()).To(BeTrue())

	for _, other := range []Process{
		{PID: running.PID, StartTicks: running.StartTicks + 1, BootID: running.BootID},
		{PID: running.PID, StartTicks: running.StartTicks, BootID: "another boot"},
	} {
		g.Expect(other.Alive()).To(BeFalse())
		g.Expect(other.Kill(t.Context())).To(Succeed())
	}
	g.Consistently(ended, 200*time.Millisecond).ShouldNot(Receive())

	g.Expect(running.Kill(t.Context())).To(Succeed())
	g.Eventually(ended, 10*time.Second).Should(Receive(MatchError("signal: killed")))
	g.Expect(running.Alive()).To(BeFalse())
	g.Expect(running.Kill(t.Context())).To(Succeed(), "killing twice is no error")
}

func TestDirCreateRemovesWhatADeadSandboxLeft(t *testing.T) {
	g := NewWithT(t)
	home := NewHome(t.TempDir())
	dir := home.Dir("one")
	_, err := dir.Load()
	g.Expect(err).To(MatchError(ErrNotFound))
	g.Expect(dir.Create()).To(Succeed())
	g.Expect(dir.Save(Record{Name: "one", APIServer: "127.0.0.1:1"})).To(Succeed())
	g.Expect(os.WriteFile(dir.Kubeconfig(), []byte("old"), 0o600)).To(Succeed())
	g.Expect(home.Names()).To(ConsistOf("one"))

	g.Expect(dir.Create()).To(Succeed())
	g.Expect(dir.Kubeconfig()).NotTo(BeAnExistingFile())
	g.Expect(dir.Run()).To(BeADirectory())
	g.Expect(home.Names()).To(BeEmpty())
	g.Expect(dir.Remove()).To(Succeed())
	g.Expect(dir.Path()).NotTo(BeADirectory())
}

func TestOneProcessAtATimeStartsASandbox(t *testing.T) {
	g := NewWithT(t)
	home := NewHome(t.TempDir())
	unlock, err := home.TryLock("one")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = home.TryLock("one")
	g.Expect(err).To(MatchError("sandbox one is being started or stopped by another process"))
	unlockOther, err := home.TryLock("other")
	g.Expect(err).NotTo(HaveOccurred())
	unlockOther()
	unlock()
	again, err := home.Lock(t.Context(), "one")
	g.Expect(err).NotTo(HaveOccurred())
	again()
}

func TestValidateName(t *testing.T) {
	for name, ok := range map[string]bool{
		"default": true, "e2e-1": true, "a": true, "0": true,
		"": false, "-a": false, "a-": false, "A": false, "a/b": false, "..": false, ".locks": false,
		"a123456789b123456789c123456789d123456789": true, "a123456789b123456789c123456789d123456789e": false,
	} {
		err := ValidateName(name)
		if ok {
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), name)
		} else {
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring("is not valid")), name)
		}
	}
}
