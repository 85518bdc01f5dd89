package podrunner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// followPoll is how often a followed log is looked at for more.
const followPoll = 100 * time.Millisecond

// logOptions choose lines, as the API's PodLogOptions do.
type logOptions struct {
	follow     bool
	previous   bool
	timestamps bool
	since      time.Time
	tail       int64 // lines, -1 for all
	limit      int64 // bytes, -1 for all
}

// parseLogOptions reads the parameters of the kubelet's containerLogs.
func parseLogOptions(q url.Values, now time.Time) (logOptions, error) {
	o := logOptions{
		follow:     q.Get("follow") == "true",
		previous:   q.Get("previous") == "true",
		timestamps: q.Get("timestamps") == "true",
	}
	var err error
	if o.tail, err = number(q, "tailLines"); err != nil {
		return o, err
	}
	if o.limit, err = number(q, "limitBytes"); err != nil {
		return o, err
	}
	seconds, err := number(q, "sinceSeconds")
	if err != nil {
		return o, err
	}
	if seconds >= 0 {
		o.since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if at := q.Get("sinceTime"); at != "" {
		if o.since, err = time.Parse(time.RFC3339, at); err != nil {
			return o, fmt.Errorf("sinceTime: %w", err)
		}
	}
	return o, nil
}

// number reads a parameter that is 0 or more; -1 if it is not there.
func number(q url.Values, name string) (int64, error) {
	s := q.Get(name)
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return -1, fmt.Errorf("%s: %q is no number of 0 or more", name, s)
	}
	return n, nil
}

// logReader copies chosen lines of a log file to a writer.
type logReader struct {
	options logOptions
	out     io.Writer
	flush   func()
	left    int64 // bytes to go, if limited
}

var errLimit = errors.New("the limit of bytes is reached")

// copy copies the file; a followed one until the container ended (closed) or ctx did.
func (r *logReader) copy(ctx context.Context, path string, ended <-chan struct{}, clk clock.WithTicker) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r.left = r.options.limit
	if err := skipToTail(f, r.options.tail); err != nil {
		return err
	}
	in := bufio.NewReader(f)
	tick := clk.NewTicker(followPoll)
	defer tick.Stop()
	var pending strings.Builder // a line that is not complete yet
	for last := !r.options.follow; ; {
		err := r.copyAvailable(in, &pending)
		if errors.Is(err, errLimit) || last && err == nil {
			return nil
		}
		if err != nil {
			return err
		}
		r.flush()
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			last = true // once more, for what was written since
		case <-tick.C():
		}
	}
}

// copyAvailable copies the complete lines that are there.
func (r *logReader) copyAvailable(in *bufio.Reader, pending *strings.Builder) error {
	for {
		piece, err := in.ReadString('\n')
		pending.WriteString(piece)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, err := parseLogLine(strings.TrimSuffix(pending.String(), "\n"))
		pending.Reset()
		if err != nil {
			return err
		}
		if err := r.write(line); err != nil {
			return err
		}
	}
}

func (r *logReader) write(line logLine) error {
	if line.time.Before(r.options.since) {
		return nil
	}
	text := line.text
	if r.options.timestamps {
		text = line.time.Format(logTime) + " " + text
	}
	if !line.partial {
		text += "\n"
	}
	if r.options.limit >= 0 {
		text = text[:min(int64(len(text)), r.left)]
		r.left -= int64(len(text))
	}
	if _, err := io.WriteString(r.out, text); err != nil {
		return err
	}
	if r.options.limit >= 0 && r.left == 0 {
		return errLimit
	}
	return nil
}

// skipToTail moves to the beginning of the last n lines; all of them for -1.
func skipToTail(f *os.File, n int64) error {
	if n < 0 {
		return nil
	}
	var starts []int64 // of the last n lines
	var offset int64
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadString('\n')
		if len(line) > 0 {
			starts = append(starts, offset)
			if int64(len(starts)) > n {
				starts = starts[1:]
			}
		}
		offset += int64(len(line))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(starts) > 0 {
		offset = starts[0]
	}
	_, err := f.Seek(offset, io.SeekStart)
	return err
}
