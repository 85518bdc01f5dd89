package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// baseURL has a name that is never resolved: all connections go to the socket.
const baseURL = "http://sandbox"

// Client calls the control API of one sandbox. It is safe for concurrent use.
type Client struct {
	http *http.Client
}

// NewClient returns a client for the control socket at path. Nothing is connected yet.
func NewClient(path string) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
	}}}
}

// HTTP returns the base URL and a client for other APIs behind the same socket, as the AWS emulator's.
func (c *Client) HTTP() (base string, client *http.Client) { return baseURL, c.http }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status says what runs.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// Settings returns the settings in force.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	var s Settings
	return s, c.call(ctx, http.MethodGet, "/settings", nil, &s)
}

// SetSettings puts settings in force; all of them, so begin with those of [Client.Settings].
func (c *Client) SetSettings(ctx context.Context, s Settings) error {
	return c.call(ctx, http.MethodPut, "/settings", s, nil)
}

// Kill sends a signal to a container's process.
func (c *Client) Kill(ctx context.Context, r KillRequest) error {
	return c.call(ctx, http.MethodPost, "/kill", r, nil)
}

// Restart restarts a component of the control plane.
func (c *Client) Restart(ctx context.Context, component string) error {
	return c.call(ctx, http.MethodPost, "/restart/"+url.PathEscape(component), struct{}{}, nil)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("calling the sandbox: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, baseURL+path, body)
	if err != nil {
		return fmt.Errorf("calling the sandbox: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("calling the sandbox: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.NewDecoder(resp.Body).Decode(&f) == nil && f.Error != "" {
			return errors.New(f.Error)
		}
		return fmt.Errorf("calling the sandbox: %s %s: %s", method, path, resp.Status)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the sandbox's answer to %s: %w", path, err)
	}
	return nil
}
