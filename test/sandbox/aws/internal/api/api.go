// Package api holds the AWS services that the emulator serves: for each its wire shapes and the functions that turn
// its calls into what happens in a World.
package api

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// Services returns the descriptions of all services, acting on a world.
func Services(*world.World) []*wire.Service {
	return []*wire.Service{}
}
