package report

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
)

// Bounds of the width that text is wrapped at.
const (
	plainWidth = 80
	maxWidth   = 120
)

// Style is how text looks.
type Style struct {
	// Width that text is wrapped at, in characters.
	Width int
	// Colour says that the reader is a terminal that shows colours.
	Colour bool
}

// Screen is the style for a writer: colours and the width of a terminal, or plain text of 80 characters. NO_COLOR is honoured
// (https://no-color.org).
func Screen(w io.Writer) Style {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Style{Width: plainWidth}
	}
	s := Style{Width: plainWidth, Colour: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 40 {
		s.Width = min(width, maxWidth)
	}
	return s
}

func (s Style) paint(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is text that stands out.
func (s Style) Bold(text string) string { return s.paint("1", text) }

// Dim is text that matters less.
func (s Style) Dim(text string) string { return s.paint("2", text) }

// Red is text about what went wrong.
func (s Style) Red(text string) string { return s.paint("31", text) }

// Yellow is text about what to look at.
func (s Style) Yellow(text string) string { return s.paint("33", text) }

// Green is text about what is well.
func (s Style) Green(text string) string { return s.paint("32", text) }

func (s Style) severity(severity v1alpha1.Severity, text string) string {
	switch severity {
	case v1alpha1.SeverityBlocker:
		return s.Red(text)
	case v1alpha1.SeverityWarning:
		return s.Yellow(text)
	case v1alpha1.SeverityInfo:
	}
	return text
}

// Wrap breaks text between words into lines of at most the style's width, each with the indent before it. A word that is longer than a
// line, such as a command's argument, is left whole.
func (s Style) Wrap(indent, text string) string {
	var out strings.Builder
	line := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case line == 0:
			out.WriteString(indent + word)
			line = len(indent) + n
		case line+1+n > s.Width:
			out.WriteString("\n" + indent + word)
			line = len(indent) + n
		default:
			out.WriteString(" " + word)
			line += 1 + n
		}
	}
	return out.String()
}
