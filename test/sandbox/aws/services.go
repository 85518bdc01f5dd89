package aws

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// services are the AWS services by every name that a request can have for them.
type services struct {
	byName    map[string]*wire.Service
	byTarget  map[string]*wire.Service
	byHost    map[string]*wire.Service
	byVersion map[string]*wire.Service
}

func newServices(w *world.World) *services {
	s := &services{
		byName: map[string]*wire.Service{}, byTarget: map[string]*wire.Service{}, byHost: map[string]*wire.Service{},
		byVersion: map[string]*wire.Service{},
	}
	for _, service := range api.Services(w) {
		s.byName[service.Name] = service
		s.byHost[service.Name] = service
		for _, host := range service.Hosts {
			s.byHost[host] = service
		}
		if service.TargetPrefix != "" {
			s.byTarget[service.TargetPrefix] = service
		}
		if service.Version != "" {
			s.byVersion[service.Version] = service
		}
	}
	return s
}

// credential is what a signature says about its call.
type credential struct{ accessKeyID, region, service string }

// parseCredential reads the credential scope of a SigV4 signature, in the header or in the query.
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
func parseCredential(r *http.Request) (credential, bool) {
	scope := r.URL.Query().Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		scope, _, _ = strings.Cut(after, ",")
	}
	parts := strings.Split(scope, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return credential{}, false
	}
	return credential{accessKeyID: parts[0], region: parts[2], service: parts[3]}, true
}

// find finds the service of a request: by its signature, else by its target, its host, or the API version in its form.
func (s *services) find(r *http.Request, c credential, form url.Values) (*wire.Service, bool) {
	if service, ok := s.byName[c.service]; ok {
		return service, true
	}
	if c.service != "" {
		return nil, false
	}
	prefix, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if service, ok := s.byTarget[prefix]; ok {
		return service, true
	}
	for label := range strings.SplitSeq(r.Host, ".") {
		if service, ok := s.byHost[label]; ok {
			return service, true
		}
	}
	service, ok := s.byVersion[form.Get("Version")]
	return service, ok
}
