package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// callTimeout bounds every call whose context has no earlier deadline.
const callTimeout = 30 * time.Second

// Client calls the control API of one emulator. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the emulator at base, for example http://10.88.0.1:4566. The HTTP client may carry a
// transport of its own (a Unix socket, say); nil takes a plain one that uses no proxy.
func NewClient(base string, hc *http.Client) *Client {
	if hc == nil {
		hc = &http.Client{Transport: &http.Transport{}}
	}
	return &Client{base: strings.TrimSuffix(base, "/"), http: hc}
}

// Healthy returns nil when the emulator answers.
func (c *Client) Healthy(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/healthz", nil, nil)
}

// AddFault puts a fault in force and returns it with its ID.
func (c *Client) AddFault(ctx context.Context, f Fault) (Fault, error) {
	return ask[Fault](ctx, c, http.MethodPost, "/faults", f)
}

// Faults lists the faults that are in force or spent, oldest first.
func (c *Client) Faults(ctx context.Context) ([]Fault, error) {
	return ask[[]Fault](ctx, c, http.MethodGet, "/faults", nil)
}

// RemoveFault removes one fault; it is an error if there is none of that ID.
func (c *Client) RemoveFault(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/faults/"+url.PathEscape(id), nil, nil)
}

// ClearFaults removes all faults.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/faults", nil, nil)
}

// AddICE takes capacity away and returns the rule with its ID.
func (c *Client) AddICE(ctx context.Context, i ICE) (ICE, error) {
	return ask[ICE](ctx, c, http.MethodPost, "/ice", i)
}

// ICEs lists the rules that take capacity away, oldest first.
func (c *Client) ICEs(ctx context.Context) ([]ICE, error) {
	return ask[[]ICE](ctx, c, http.MethodGet, "/ice", nil)
}

// RemoveICE removes one rule; it is an error if there is none of that ID.
func (c *Client) RemoveICE(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/ice/"+url.PathEscape(id), nil, nil)
}

// ClearICE gives all capacity back.
func (c *Client) ClearICE(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/ice", nil, nil)
}

// Settings returns the settings.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return ask[Settings](ctx, c, http.MethodGet, "/settings", nil)
}

// UpdateSettings changes the settings that are set in the patch and returns all of them.
func (c *Client) UpdateSettings(ctx context.Context, p SettingsPatch) (Settings, error) {
	return ask[Settings](ctx, c, http.MethodPatch, "/settings", p)
}

// State returns what exists in the account.
func (c *Client) State(ctx context.Context) (State, error) {
	return ask[State](ctx, c, http.MethodGet, "/state", nil)
}

// Requests returns the calls that match the filter, oldest first.
func (c *Client) Requests(ctx context.Context, f RequestFilter) (RequestPage, error) {
	q := url.Values{}
	for k, v := range map[string]string{"service": f.Service, "action": f.Action, "principal": f.Principal} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if f.Since > 0 {
		q.Set("since", strconv.FormatUint(f.Since, 10))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return ask[RequestPage](ctx, c, http.MethodGet, "/requests?"+q.Encode(), nil)
}

// Counts returns the counters of calls by principal and action, in a stable order.
func (c *Client) Counts(ctx context.Context) ([]Count, error) {
	return ask[[]Count](ctx, c, http.MethodGet, "/requests/counts", nil)
}

// ClearRequests forgets the request log and the counters.
func (c *Client) ClearRequests(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/requests", nil, nil)
}

// Send puts a message into a queue.
func (c *Client) Send(ctx context.Context, m Message) (MessageReceipt, error) {
	return ask[MessageReceipt](ctx, c, http.MethodPost, "/messages", m)
}

// TerminateInstance terminates an instance as AWS itself would, behind the back of whoever launched it.
func (c *Client) TerminateInstance(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/instances/"+url.PathEscape(id)+"/terminate", nil, nil)
}

// SetInstanceHealth sets what DescribeInstanceStatus reports of an instance.
func (c *Client) SetInstanceHealth(ctx context.Context, id string, h Health) error {
	return c.call(ctx, http.MethodPost, "/instances/"+url.PathEscape(id)+"/health", h, nil)
}

// ask sends one request and returns its answer.
func ask[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	err := c.call(ctx, method, path, in, &out)
	return out, err
}

// call sends one request and decodes the answer into out unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+Prefix+path, body)
	if err != nil {
		return fmt.Errorf("building %s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("calling the AWS emulator: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return refusal(method, path, resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("decoding the answer to %s %s: %w", method, path, err)
	}
	return nil
}

// refusal turns an error answer into an error.
func refusal(method, path string, resp *http.Response) error {
	var e Error
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&e); err != nil || e.Error == "" {
		return fmt.Errorf("the AWS emulator refused %s %s: %s", method, path, resp.Status)
	}
	return fmt.Errorf("the AWS emulator refused %s %s: %s", method, path, e.Error)
}
