package eks

import (
	"context"
	"fmt"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type listAssociationsInput struct {
	Cluster        string `q:"clusterName,required"`
	Namespace      string `q:"namespace"`
	ServiceAccount string `q:"serviceAccount"`
	MaxResults     int    `q:"maxResults"`
	NextToken      string `q:"nextToken"`
}

type listAssociationsOutput struct {
	Associations []associationSummary `json:"associations"`
	NextToken    string               `json:"nextToken,omitempty"`
}

// associationSummary is what the list says of an association, which is not its role.
type associationSummary struct {
	Cluster        string `json:"clusterName"`
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	ARN            string `json:"associationArn"`
	ID             string `json:"associationId"`
}

// associations are those of the seed, in its order, from which their ids come.
func (s service) associations() []associationSummary {
	seed := s.w.Seed()
	return lo.Map(seed.PodIdentities, func(p world.PodIdentity, i int) associationSummary {
		id := fmt.Sprintf("a-%017d", i+1)
		return associationSummary{
			Cluster: seed.Cluster.Name, Namespace: p.Namespace, ServiceAccount: p.ServiceAccount,
			ARN: seed.ARN("eks", seed.Region, "podidentityassociation/"+seed.Cluster.Name+"/"+id), ID: id,
		}
	})
}

func (s service) listAssociations(_ context.Context, _ wire.Call, in *listAssociationsInput) (*listAssociationsOutput, error) {
	if err := s.clusterNamed(in.Cluster); err != nil {
		return nil, err
	}
	found := lo.Filter(s.associations(), func(a associationSummary, _ int) bool {
		return (in.Namespace == "" || in.Namespace == a.Namespace) && (in.ServiceAccount == "" || in.ServiceAccount == a.ServiceAccount)
	})
	page, next, err := wire.Page(paging, found, func(a associationSummary) string { return a.ID }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if page == nil {
		page = []associationSummary{}
	}
	return &listAssociationsOutput{Associations: page, NextToken: next}, nil
}

type describeAssociationInput struct {
	Cluster string `q:"clusterName,required"`
	ID      string `q:"associationId,required"`
}

type describeAssociationOutput struct {
	Association association `json:"association"`
}

type association struct {
	associationSummary
	RoleARN    string            `json:"roleArn"`
	CreatedAt  wire.Epoch        `json:"createdAt"`
	ModifiedAt wire.Epoch        `json:"modifiedAt"`
	Tags       map[string]string `json:"tags"`
}

func (s service) describeAssociation(_ context.Context, _ wire.Call, in *describeAssociationInput) (*describeAssociationOutput, error) {
	if err := s.clusterNamed(in.Cluster); err != nil {
		return nil, err
	}
	found, i, ok := lo.FindIndexOf(s.associations(), func(a associationSummary) bool { return a.ID == in.ID })
	if !ok {
		return nil, awserr.New("ResourceNotFoundException", "The pod identity association %s cannot be found in the cluster %s.", in.ID, in.Cluster)
	}
	return &describeAssociationOutput{Association: association{
		associationSummary: found, RoleARN: s.roleARN(s.w.Seed().PodIdentities[i].Role), CreatedAt: created, ModifiedAt: created, Tags: map[string]string{},
	}}, nil
}
