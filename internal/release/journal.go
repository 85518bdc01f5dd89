package release

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/fault"
)

// journal keeps what Helm says in its debug log while it works: some of its errors, such as "failed to delete release", leave
// out the cause, which is only there.
type journal struct {
	mu    sync.Mutex
	lines []string
}

// maxCauses is how many lines an error takes from the journal: the last ones, which are nearest to it.
const maxCauses = 2

var (
	trouble  = regexp.MustCompile(`(?i)\b(fail(ed|ure)?|errors?|err|unable|cannot|forbidden)\b`)
	denied   = regexp.MustCompile(`is forbidden: `)
	vanishes = regexp.MustCompile(`because it is being terminated`) // a namespace that goes is no want of permissions
)

// notef takes a line of the debug log.
func (j *journal) notef(format string, args ...any) {
	line := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	if !trouble.MatchString(line) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	j.lines = j.lines[max(0, len(j.lines)-maxCauses):]
}

// explain adds to an error of Helm what its log says and the error does not, and marks one that comes from the want of a
// permission: where Helm joins several errors to one, only their text is left of them.
func (j *journal) explain(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if !strings.Contains(err.Error(), line) && !strings.Contains(line, err.Error()) {
			err = fmt.Errorf("%w; %s", err, line)
		}
	}
	if said := err.Error(); denied.MatchString(said) && !vanishes.MatchString(said) {
		return fault.NewDenied(err)
	}
	return err
}
