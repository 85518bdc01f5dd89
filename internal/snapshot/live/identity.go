package live

import (
	"context"
	"slices"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/plan"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

// ways are the variables by which a container may get credentials of AWS other than from EKS.
var ways = []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}

// identity reads how the second release, which runs as the ServiceAccount of the first one, gets its role.
func (a *surroundings) identity(ctx context.Context) error {
	out := &snapshot.Identity{Namespace: plan.GreenNamespace(a.source.Namespace, &a.run.Spec), ServiceAccount: a.source.ServiceAccount}
	account, err := a.account(ctx, out.Namespace, out.ServiceAccount)
	if err != nil {
		return err
	}
	if account != nil {
		out.Role = account.Annotations[annotationRole]
	}
	if a.pod != nil {
		for i := range a.pod.Containers {
			c := &a.pod.Containers[i]
			out.Given = append(out.Given, given(c, slices.Concat(ways, credentials))...)
			for range c.EnvFrom {
				out.Given = append(out.Given, "envFrom")
			}
		}
	}
	a.out.Identity = out
	return nil
}
