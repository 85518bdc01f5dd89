package podrunner

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// maxLogLine is the longest piece of a line that is kept together.
const maxLogLine = 16 << 10

// logTime is the layout of a log line's time.
const logTime = time.RFC3339Nano

// podLogs are the log files of a pod's containers, one for each time that a container ran, in the format of the
// container runtime interface: time, stream, F for a full line or P for a part of one, and the text.
type podLogs struct {
	dir   string
	clock clock.PassiveClock
}

// logDir is where a pod's logs are, named as a kubelet names it.
func logDir(root, namespace, pod string, uid types.UID) string {
	return filepath.Join(root, namespace+"_"+pod+"_"+string(uid))
}

func (l podLogs) file(container string, attempt int) string {
	return filepath.Join(l.dir, container, strconv.Itoa(attempt)+".log")
}

// record writes what a container prints to its log file until the end of the output; done is told then.
func (l podLogs) record(done *sync.WaitGroup, container string, attempt int, output io.ReadCloser) error {
	path := l.file(container, attempt)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("opening the log of container %s: %w", container, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of container %s: %w", container, err)
	}
	done.Go(func() {
		defer f.Close()
		defer output.Close()
		if err := copyLines(f, output, l.clock); err != nil {
			_, _ = io.Copy(io.Discard, output) // the container must not block on a full disk
		}
	})
	return nil
}

func copyLines(to io.Writer, from io.Reader, clk clock.PassiveClock) error {
	in := bufio.NewReaderSize(from, maxLogLine)
	for {
		line, partial, err := in.ReadLine()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		tag := "F"
		if partial {
			tag = "P"
		}
		if _, err := fmt.Fprintf(to, "%s stdout %s %s\n", clk.Now().UTC().Format(logTime), tag, line); err != nil {
			return err
		}
	}
}

// logLine is one line of a log file.
type logLine struct {
	time    time.Time
	text    string
	partial bool
}

func parseLogLine(line string) (logLine, error) {
	fields := strings.SplitN(line, " ", 4) // time, stream, tag, text
	if len(fields) < 4 {
		return logLine{}, fmt.Errorf("unexpected log line %q", line)
	}
	at, err := time.Parse(logTime, fields[0])
	if err != nil {
		return logLine{}, fmt.Errorf("unexpected log line %q: %w", line, err)
	}
	return logLine{time: at, text: fields[3], partial: fields[2] == "P"}, nil
}
