package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// errNoRule is returned for the ID of a rule that is not there.
var errNoRule = errors.New("there is none of that id")

// controlHandler serves the control API.
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveControl(w, r, h) })
	}
	p := control.Prefix
	handle("GET "+p+"/healthz", func(*http.Request) (any, error) { return map[string]string{"status": "ok"}, nil })
	handle("GET "+p+"/faults", func(*http.Request) (any, error) { return s.faults.list(), nil })
	handle("POST "+p+"/faults", posted(s.faults.add))
	handle("DELETE "+p+"/faults", func(*http.Request) (any, error) { s.faults.remove(""); return nil, nil })
	handle("DELETE "+p+"/faults/{id}", func(r *http.Request) (any, error) { return nil, found(s.faults.remove(r.PathValue("id"))) })
	handle("GET "+p+"/ice", func(*http.Request) (any, error) { return s.world.ICEs(), nil })
	handle("POST "+p+"/ice", posted(func(i control.ICE) (control.ICE, error) { return s.world.AddICE(i), nil }))
	handle("DELETE "+p+"/ice", func(*http.Request) (any, error) { s.world.ClearICE(); return nil, nil })
	handle("DELETE "+p+"/ice/{id}", func(r *http.Request) (any, error) { return nil, found(s.world.RemoveICE(r.PathValue("id"))) })
	handle("GET "+p+"/settings", func(*http.Request) (any, error) { return s.world.Settings(), nil })
	handle("PATCH "+p+"/settings", posted(s.world.UpdateSettings))
	handle("GET "+p+"/state", func(*http.Request) (any, error) { return s.State(), nil })
	handle("GET "+p+"/requests", func(r *http.Request) (any, error) { return s.requestPage(r.URL.Query()) })
	handle("GET "+p+"/requests/counts", func(*http.Request) (any, error) { return s.requests.counts(), nil })
	handle("DELETE "+p+"/requests", func(*http.Request) (any, error) { s.requests.clear(); return nil, nil })
	handle("POST "+p+"/messages", posted(s.Send))
	handle("POST "+p+"/instances/{id}/terminate", func(r *http.Request) (any, error) {
		return nil, s.world.Reclaim(r.PathValue("id"))
	})
	handle("POST "+p+"/instances/{id}/health", func(r *http.Request) (any, error) {
		h, err := read[control.Health](r)
		if err != nil {
			return nil, err
		}
		return nil, s.world.SetHealth(r.PathValue("id"), h)
	})
	return mux
}

// serveControl answers one control call.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, h func(*http.Request) (any, error)) {
	w.Header().Set("Content-Type", "application/json")
	out, err := h(r)
	switch {
	case errors.Is(err, errNoRule):
		w.WriteHeader(http.StatusNotFound)
		out = control.Error{Error: err.Error()}
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		out = control.Error{Error: err.Error()}
	case out == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.log.DebugContext(r.Context(), "writing a control answer", "error", err)
	}
}

// posted makes a handler of a function that takes the body.
func posted[I, O any](f func(I) (O, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		in, err := read[I](r)
		if err != nil {
			return nil, err
		}
		return f(in)
	}
}

// read decodes the body strictly.
func read[I any](r *http.Request) (in I, err error) {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, fmt.Errorf("reading the body: %w", err)
	}
	return in, nil
}

func found(ok bool) error {
	if !ok {
		return errNoRule
	}
	return nil
}

// requestPage reads a page of the request log.
func (s *Server) requestPage(q url.Values) (control.RequestPage, error) {
	f := control.RequestFilter{Service: q.Get("service"), Action: q.Get("action"), Principal: q.Get("principal")}
	var err error
	if v := q.Get("since"); v != "" {
		if f.Since, err = strconv.ParseUint(v, 10, 64); err != nil {
			return control.RequestPage{}, fmt.Errorf("since %q: must be a sequence number", v)
		}
	}
	if v := q.Get("limit"); v != "" {
		if f.Limit, err = strconv.Atoi(v); err != nil || f.Limit < 0 {
			return control.RequestPage{}, fmt.Errorf("limit %q: must be a number, 0 or more", v)
		}
	}
	return s.requests.page(f), nil
}
