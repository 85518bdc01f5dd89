// Command versions writes docs/reference/versions.md from the version catalogue, to its standard output.
package main

import (
	"fmt"
	"os"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

func main() {
	c, err := catalog.Load()
	if err == nil {
		_, err = os.Stdout.WriteString(page(c))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
