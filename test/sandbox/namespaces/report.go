package namespaces

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// message is one line from the sandbox to its owner.
type message struct {
	Progress string `json:"progress,omitempty"`
	Error    string `json:"error,omitempty"`
	Ready    bool   `json:"ready,omitempty"`
}

// Reporter tells the owner how the sandbox comes up. After Ready or Fail nothing more is sent.
type Reporter struct {
	w io.WriteCloser
}

// NewReporter returns a reporter that writes to w and closes it in the end.
func NewReporter(w io.WriteCloser) *Reporter { return &Reporter{w: w} }

// Progress sends one line for people.
func (r *Reporter) Progress(line string) { r.send(message{Progress: line}) }

// Ready says that the sandbox is up.
func (r *Reporter) Ready() {
	r.send(message{Ready: true})
	_ = r.w.Close()
}

// Fail says why the sandbox does not come up.
func (r *Reporter) Fail(err error) {
	r.send(message{Error: err.Error()})
	_ = r.w.Close()
}

// send ignores write errors: an owner that has gone needs no report.
func (r *Reporter) send(m message) {
	if line, err := json.Marshal(m); err == nil {
		_, _ = r.w.Write(append(line, '\n'))
	}
}

// errSilent is returned when the sandbox ended without a word.
var errSilent = errors.New("it ended without saying why")

// Await reads reports until the sandbox is ready (nil) or has failed (its error). Progress is passed on, line by line.
// It returns when r is at its end, which is when no process of the sandbox holds the other end: there is no need for
// a deadline on a sandbox that dies, only for one that hangs; close r then.
func Await(r io.Reader, progress io.Writer) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return fmt.Errorf("reading the sandbox's report %q: %w", lines.Text(), err)
		}
		switch {
		case m.Ready:
			return nil
		case m.Error != "":
			return errors.New(m.Error)
		case m.Progress != "":
			fmt.Fprintln(progress, m.Progress)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the sandbox's report: %w", err)
	}
	return errSilent
}
