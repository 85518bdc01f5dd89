package wire

import (
	"net/url"
	"strings"
)

// FindRoute finds the action of a REST request and its parameters: those in the path and those in the query.
func (s *Service) FindRoute(method string, u *url.URL) (action string, params url.Values, ok bool) {
	path := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for _, candidate := range s.Routes {
		pattern := strings.Split(strings.Trim(candidate.Path, "/"), "/")
		if candidate.Method != method || len(pattern) != len(path) {
			continue
		}
		params = u.Query()
		if matchPath(pattern, path, params) {
			return candidate.Action, params, true
		}
	}
	return "", nil, false
}

// matchPath compares a path with a pattern and puts the path parameters into params.
func matchPath(pattern, path []string, params url.Values) bool {
	for i, segment := range pattern {
		if name, isParam := strings.CutPrefix(segment, "{"); isParam {
			value, err := url.PathUnescape(path[i])
			if err != nil || value == "" {
				return false
			}
			params.Set(strings.TrimSuffix(name, "}"), value)
		} else if segment != path[i] {
			return false
		}
	}
	return true
}
