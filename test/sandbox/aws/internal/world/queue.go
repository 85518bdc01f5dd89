package world

import (
	"context"
	"crypto/md5" //nolint:gosec // SQS gives the MD5 of every body, and the SDKs compare it.
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// maxQueued bounds the messages of a queue, which nobody may ever read.
const maxQueued = 10000

// Message is a message in an SQS queue.
type Message struct {
	ID, Body string
	Sent     time.Time
	// Received counts how often it was received, Receipt is the handle of the last time.
	Received int
	Receipt  string
	// visible is when it can be received again.
	visible time.Time
}

// MD5 is the checksum of the body, in hexadecimal digits.
func (m Message) MD5() string {
	sum := md5.Sum([]byte(m.Body)) //nolint:gosec // See the import.
	return hex.EncodeToString(sum[:])
}

// queue is an SQS queue. It is guarded by the world's mutex.
type queue struct {
	name     string
	messages []*Message
	// arrival is closed, and replaced, when a message comes.
	arrival chan struct{}
}

func newQueue(name string) *queue { return &queue{name: name, arrival: make(chan struct{})} }

// QueueURL finds a queue and returns its URL.
func (w *World) QueueURL(name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.queues[name]; !ok {
		return "", noQueue()
	}
	return "https://sqs." + w.seed.Region + ".amazonaws.com/" + w.seed.Account + "/" + name, nil
}

func noQueue() error {
	return awserr.New("QueueDoesNotExist", "The specified queue does not exist.")
}

// queueOf finds the queue of a URL, of which only the path counts.
func (w *World) queueOf(url string) (*queue, error) {
	account, name, ok := cutQueuePath(url)
	q, exists := w.queues[name]
	if !ok || !exists || account != w.seed.Account {
		return nil, noQueue()
	}
	return q, nil
}

// cutQueuePath splits the last two segments off a URL.
func cutQueuePath(url string) (account, name string, ok bool) {
	parts := strings.Split(url, "/")
	if len(parts) < 3 {
		return "", "", false
	}
	return parts[len(parts)-2], parts[len(parts)-1], true
}

// Send puts a message into the queue of a URL.
func (w *World) Send(url, body string) (Message, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, err := w.queueOf(url)
	if err != nil {
		return Message{}, err
	}
	if len(q.messages) >= maxQueued {
		return Message{}, awserr.New("OverLimit", "The queue %s holds %d messages, which is all it can", q.name, maxQueued)
	}
	m := &Message{ID: newUUID(), Body: body, Sent: w.clk.Now(), visible: w.clk.Now()}
	q.messages = append(q.messages, m)
	close(q.arrival)
	q.arrival = make(chan struct{})
	return *m, nil
}

// Receive takes up to n messages, which stay hidden for the given time. It waits for the first for up to wait.
func (w *World) Receive(ctx context.Context, url string, n int, hide, wait time.Duration) ([]Message, error) {
	deadline := w.clk.Now().Add(wait)
	for {
		got, arrival, next, err := w.tryReceive(url, n, hide)
		if err != nil || len(got) > 0 {
			return got, err
		}
		left := deadline.Sub(w.clk.Now())
		if left <= 0 {
			return nil, nil
		}
		if next > 0 {
			left = min(left, next)
		}
		timer := w.clk.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		case <-arrival:
			timer.Stop()
		case <-timer.C():
		}
	}
}

// tryReceive takes what is visible now. If that is nothing it returns what to wait for: a channel that closes with the
// next arrival and the time until a hidden message comes back, 0 if there is none.
func (w *World) tryReceive(url string, n int, hide time.Duration) ([]Message, <-chan struct{}, time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, err := w.queueOf(url)
	if err != nil {
		return nil, nil, 0, err
	}
	now := w.clk.Now()
	var got []Message
	var next time.Duration
	for _, m := range q.messages {
		if m.visible.After(now) {
			if back := m.visible.Sub(now); next == 0 || back < next {
				next = back
			}
			continue
		}
		if len(got) == n {
			break
		}
		m.Received++
		m.Receipt = newUUID()
		m.visible = now.Add(hide)
		got = append(got, *m)
	}
	return got, q.arrival, next, nil
}

// Delete removes the message of a receipt. As in SQS, deleting what is gone already is no error.
func (w *World) Delete(url, receipt string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	q, err := w.queueOf(url)
	if err != nil {
		return err
	}
	q.messages = slices.DeleteFunc(q.messages, func(m *Message) bool { return m.Receipt != "" && m.Receipt == receipt })
	return nil
}
