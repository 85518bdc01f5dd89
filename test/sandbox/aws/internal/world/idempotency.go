package world

import "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"

// maxTokens bounds the client tokens that are remembered. AWS remembers them for a day or longer.
const maxTokens = 4096

// tokenCache remembers the results of calls by their client token.
type tokenCache struct {
	entries map[string]tokenEntry
	order   []string
}

type tokenEntry struct {
	params string
	result any
}

func newTokenCache() *tokenCache { return &tokenCache{entries: map[string]tokenEntry{}} }

// once returns the result of the call that had the same token before, or runs do. A token that comes again with other
// parameters is refused. Failures are not remembered.
func once[T any](c *tokenCache, action, token, params string, do func() (T, error)) (T, error) {
	var zero T
	if token == "" {
		return do()
	}
	key := action + "/" + token
	if e, ok := c.entries[key]; ok {
		if e.params != params {
			return zero, awserr.New("IdempotentParameterMismatch",
				"The client token %s was used before with other parameters", token)
		}
		return e.result.(T), nil
	}
	result, err := do()
	if err != nil {
		return zero, err
	}
	c.entries[key] = tokenEntry{params: params, result: result}
	c.order = append(c.order, key)
	if len(c.order) > maxTokens {
		delete(c.entries, c.order[0])
		c.order = c.order[1:]
	}
	return result, nil
}
