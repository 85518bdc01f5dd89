package values

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Hidden stands where Redact took something out.
const Hidden = "(hidden)"

// shortest is the length from which on a value can be told from the words around it.
const shortest = 6

// Redact takes the values of given out of a text, such as an error of a template that quotes one. Words that the chart itself
// uses, as a key or in its defaults, stay, and so do values too short to be told from other words.
func Redact(text string, given, defaults map[string]any) string {
	var own []string
	words := map[string]bool{}
	walk(defaults, func(s string, _ bool) { words[s] = true })
	walk(given, func(s string, key bool) {
		if key {
			words[s] = true
		}
	})
	walk(given, func(s string, key bool) {
		if !key && len(s) >= shortest && !words[s] {
			quoted := strconv.Quote(s)
			own = append(own, s, quoted[1:len(quoted)-1])
		}
	})
	slices.SortFunc(own, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the whole before its parts
	for _, s := range own {
		text = strings.ReplaceAll(text, s, Hidden)
	}
	return text
}

// walk sees all keys and all strings.
func walk(v any, see func(s string, key bool)) {
	switch v := v.(type) {
	case string:
		see(v, false)
	case []any:
		for _, e := range v {
			walk(e, see)
		}
	case map[string]any:
		for key, below := range v {
			see(key, true)
			walk(below, see)
		}
	}
}
