package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// EmulatorPrefix is the path of the AWS emulator's control API.
const EmulatorPrefix = "/_emulator/"

// requestTimeout bounds what a request may take.
const requestTimeout = 30 * time.Second

// Backend does what the control API asks for. Errors are shown to the caller as they are.
type Backend interface {
	Status(ctx context.Context) (Status, error)
	Settings(ctx context.Context) (Settings, error)
	SetSettings(ctx context.Context, s Settings) error
	Kill(ctx context.Context, r KillRequest) error
	Restart(ctx context.Context, component string) error
}

// NewHandler serves the control API. A nil emulator answers 404.
func NewHandler(b Backend, emulator http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", answer(func(r *http.Request) (any, error) { return b.Status(r.Context()) }))
	mux.HandleFunc("GET /settings", answer(func(r *http.Request) (any, error) { return b.Settings(r.Context()) }))
	mux.HandleFunc("PUT /settings", answer(func(r *http.Request) (any, error) {
		var s Settings
		if err := decode(r, &s); err != nil {
			return nil, err
		}
		return s, b.SetSettings(r.Context(), s)
	}))
	mux.HandleFunc("POST /kill", answer(func(r *http.Request) (any, error) {
		var k KillRequest
		if err := decode(r, &k); err != nil {
			return nil, err
		}
		return struct{}{}, b.Kill(r.Context(), k)
	}))
	mux.HandleFunc("POST /restart/{component}", answer(func(r *http.Request) (any, error) {
		return struct{}{}, b.Restart(r.Context(), r.PathValue("component"))
	}))
	if emulator != nil {
		mux.Handle(EmulatorPrefix, emulator)
	}
	return mux
}

func answer(do func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		body, err := do(r.WithContext(ctx))
		status := http.StatusOK
		if err != nil {
			body, status = failure{Error: err.Error()}, http.StatusUnprocessableEntity
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the caller may have gone
	}
}

type failure struct {
	Error string `json:"error"`
}

func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	return nil
}
