// Package api puts together the AWS services that the emulator serves. The packages below it hold, for each service,
// its wire shapes and the functions that turn its calls into what happens in a World.
package api

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/ec2"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/eks"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/iam"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/pricing"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/sqs"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/ssm"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/sts"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/api/zonalshift"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// Services returns the descriptions of all services, acting on a world.
func Services(w *world.World) []*wire.Service {
	return []*wire.Service{
		ec2.New(w), eks.New(w), iam.New(w), pricing.New(w), sqs.New(w), ssm.New(w), sts.New(w), zonalshift.New(w),
	}
}
