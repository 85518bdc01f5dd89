package main

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/container"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/namespaces"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/serve"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/state"
)

// runInside runs one of the sandbox's own processes; false if the arguments ask for none.
func runInside(args []string) (code int, ok bool) {
	switch {
	case len(args) == 1 && args[0] == serve.ContainerCommand:
		return container.Init(), true
	case len(args) == 2 && args[0] == serve.InitCommand:
		return namespaces.Init(state.OpenDir(args[1]).Name(), []string{serve.ServeCommand, args[1]}), true
	case len(args) == 2 && args[0] == serve.ServeCommand:
		return serve.Main(args[1], []string{serve.ContainerCommand}), true
	}
	return 0, false
}
