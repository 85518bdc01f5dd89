package binaries

import (
	"context"
	"encoding/json"
	"fmt"
)

// ModuleDir returns the directory with the source of a wrapper module's programs, in the module cache.
func (b *Builder) ModuleDir(ctx context.Context, m Module) (string, error) {
	out, err := b.goCommand(ctx, m.Dir, static, "mod", "download", "-json", m.Source.Path+"@"+m.Source.Version)
	if err != nil {
		return "", err
	}
	var answer struct{ Dir, Error string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return "", fmt.Errorf("downloading %s: %w", m.Source, err)
	}
	if answer.Error != "" || answer.Dir == "" {
		return "", fmt.Errorf("downloading %s: %s", m.Source, answer.Error)
	}
	return answer.Dir, nil
}
