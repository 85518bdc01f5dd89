package aws

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

// maxBody bounds the body of a call. The largest that callers send is a CreateFleet of a few hundred kilobytes.
const maxBody = 4 << 20

// incoming is an AWS call as it came.
type incoming struct {
	call    wire.Call
	service *wire.Service
	region  string
	signed  bool
	pod     string
	// form has the parameters of the query protocols and of REST, body those of JSON.
	form  url.Values
	body  []byte
	fault string
}

// serveAWS answers an AWS call and logs it.
func (s *Server) serveAWS(w http.ResponseWriter, r *http.Request) {
	start := s.clk.Now()
	in := incoming{call: wire.Call{RequestID: string(uuid.NewUUID())}}
	resp, code := s.answer(r, &in)
	if s.delay > 0 {
		sleep(r.Context(), clock.RealClock{}, s.delay)
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.Status)
	_, err := w.Write(resp.Body)
	if err != nil {
		s.log.DebugContext(r.Context(), "writing an AWS answer", "action", in.call.Action, "error", err)
	}
	params := summarize(in.form)
	if len(in.form) == 0 {
		params = shorten(string(in.body), maxParams)
	}
	s.requests.add(control.Request{
		Time: start, ID: in.call.RequestID, Service: in.call.Service, Action: in.call.Action,
		DryRun: in.form.Get("DryRun") == "true", Principal: in.call.Principal, Pod: in.pod, Region: in.region,
		UserAgent: shorten(r.UserAgent(), maxParams), Params: params, Status: resp.Status, Error: code, Fault: in.fault,
		DurationMillis: float64(s.clk.Since(start).Microseconds()) / 1000,
	})
}

// answer reads, runs and encodes a call. It also returns the AWS error code, empty on success.
func (s *Server) answer(r *http.Request, in *incoming) (wire.Response, string) {
	out, err := s.run(r, in)
	service := cmp.Or(in.service, unknownService(r))
	if err == nil {
		var resp wire.Response
		if resp, err = wire.EncodeResult(service, in.call, out); err == nil {
			return resp, ""
		}
	}
	var refused *awserr.Error
	if !errors.As(err, &refused) {
		s.log.ErrorContext(r.Context(), "answering an AWS call", "service", in.call.Service, "action", in.call.Action, "error", err)
		refused = awserr.New("InternalError", "The AWS emulator failed: %s", err)
	}
	return wire.EncodeError(service, in.call, refused), refused.Code
}

// unknownService stands for the service of a call that is none of ours, so that the refusal has the shape its client
// reads.
func unknownService(r *http.Request) *wire.Service {
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case strings.HasPrefix(kind, "application/x-amz-json"):
		return &wire.Service{Protocol: wire.JSON11}
	case kind == "application/x-www-form-urlencoded":
		return &wire.Service{Protocol: wire.AWSQuery}
	default:
		return &wire.Service{Protocol: wire.RESTJSON}
	}
}

// run does everything but encode the answer.
func (s *Server) run(r *http.Request, in *incoming) (any, error) {
	if err := s.read(r, in); err != nil {
		return nil, err
	}
	if f, ok := s.faults.hit(in.call, in.pod); ok {
		in.fault = f.ID
		if refused := s.faults.apply(r.Context(), f); refused != nil {
			return nil, refused
		}
	}
	if err := s.authorize(in); err != nil {
		return nil, err
	}
	op, ok := in.service.Operations[in.call.Action]
	if !ok {
		return nil, unknownAction(in)
	}
	input, err := decode(in, op)
	if err != nil {
		return nil, err
	}
	return op.Call(r.Context(), in.call, input)
}

// read finds out what a request is.
func (s *Server) read(r *http.Request, in *incoming) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return awserr.New("RequestExpired", "The request body could not be read: %s", err)
	}
	if len(body) > maxBody {
		return awserr.New("RequestEntityTooLarge", "The request body is larger than %d bytes", maxBody)
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		if in.form, err = url.ParseQuery(string(body)); err != nil {
			return awserr.New("MalformedQueryString", "The query string contains a syntax error: %s", err)
		}
	}
	cred, signed := parseCredential(r)
	in.signed, in.region, in.call.Principal = signed, cred.region, cred.accessKeyID
	in.pod = s.pod(cred.accessKeyID)
	in.call.Service = cred.service
	service, ok := s.services.find(r, cred, in.form)
	if !ok {
		return awserr.New("UnknownOperationException", "The AWS emulator has no service '%s' (host %s)", cred.service, r.Host)
	}
	in.service, in.call.Service = service, service.Name
	return in.readAction(r, body)
}

// readAction finds the action, and where its parameters are.
func (in *incoming) readAction(r *http.Request, body []byte) error {
	switch in.service.Protocol {
	case wire.EC2Query, wire.AWSQuery:
		in.call.Action = in.form.Get("Action")
	case wire.RESTJSON:
		action, params, ok := in.service.FindRoute(r.Method, r.URL)
		if !ok {
			e := awserr.New("UnknownOperationException", "There is no operation %s %s", r.Method, r.URL.Path)
			e.Status = http.StatusNotFound
			return e
		}
		in.call.Action, in.form, in.body = action, params, body
	default:
		_, in.call.Action, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		in.body = body
	}
	return nil
}

// pod names the pod of an access key id.
func (s *Server) pod(accessKeyID string) string {
	if accessKeyID == "" {
		return ""
	}
	if session, ok := s.world.Session(accessKeyID); ok && session.Pod != "" {
		return session.Pod
	}
	return s.podOf(accessKeyID)
}

// authorize refuses calls without a signature, or with one for another region.
func (s *Server) authorize(in *incoming) error {
	if !in.signed && !in.service.Unsigned[in.call.Action] {
		return awserr.New("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	if in.signed && !in.service.Global && in.region != s.world.Seed().Region {
		return awserr.New("SignatureDoesNotMatch",
			"Credential should be scoped to a valid region, not '%s': this emulator holds %s.", in.region, s.world.Seed().Region)
	}
	return nil
}

// unknownAction refuses an action in the way of its protocol.
func unknownAction(in *incoming) error {
	switch in.service.Protocol {
	case wire.EC2Query, wire.AWSQuery:
		return awserr.New("InvalidAction", "The action %s is not valid for this web service.", in.call.Action)
	default:
		return awserr.New("UnknownOperationException", "The operation %s is not known", in.call.Action)
	}
}

// decode decodes the input of an operation.
func decode(in *incoming, op wire.Operation) (any, error) {
	input := reflect.New(op.In).Interface()
	switch in.service.Protocol {
	case wire.EC2Query, wire.AWSQuery:
		if v := in.form.Get("Version"); v != in.service.Version {
			return nil, awserr.New("NoSuchVersion", "The requested version (%s) of service %s does not exist", v, in.service.Name)
		}
		return input, wire.DecodeQuery(in.service.Protocol, in.form, input)
	case wire.RESTJSON:
		// Every REST operation that is served takes its parameters from the path and the query, and has no body.
		return input, wire.DecodeQuery(in.service.Protocol, in.form, input)
	default:
		return input, wire.DecodeJSON(in.body, input)
	}
}
