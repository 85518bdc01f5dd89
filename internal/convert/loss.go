package convert

import "fmt"

// Severity says what a loss asks for.
type Severity string

const (
	// Info needs nothing: the result behaves as before, or all but.
	Info Severity = "Info"
	// Warning needs a look: the result is accepted, and behaves differently.
	Warning Severity = "Warning"
	// Blocker needs a decision first: the result is not accepted, or nodes made from it would not work.
	Blocker Severity = "Blocker"
)

// Loss is something that could not be carried over as it was, or that needs a decision.
type Loss struct {
	// Object is Kind/name of what was converted.
	Object string
	// Field is its JSON path in the object that was converted, as spec.template.spec.kubelet.
	Field string
	// Why it was lost or what will be different, and the Fix: a change or a command.
	Why, Fix string
	Severity Severity
}

// String is one line for people.
func (l Loss) String() string {
	return fmt.Sprintf("%s: %s %s: %s; %s", l.Severity, l.Object, l.Field, l.Why, l.Fix)
}
