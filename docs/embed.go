// Package docs holds the pages that programs show too.
package docs

import _ "embed"

// Findings is the page about the findings of Preflight, as Markdown.
//
//go:embed reference/findings.md
var Findings string
