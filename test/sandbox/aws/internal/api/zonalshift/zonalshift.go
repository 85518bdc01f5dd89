// Package zonalshift serves the part of Amazon Application Recovery Controller zonal shift that Karpenter calls when it
// is told to heed zonal shifts, in the REST JSON protocol.
package zonalshift

import (
	"context"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is zonal shift acting on a world.
type service struct{ w *world.World }

// New describes zonal shift, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "arc-zonal-shift", Protocol: wire.RESTJSON,
		Routes: []wire.Route{
			{Method: "GET", Path: "/managedresources/{resourceIdentifier}", Action: "GetManagedResource"},
		},
		Operations: map[string]wire.Operation{"GetManagedResource": wire.Op(s.getManagedResource)},
	}
}

type getManagedResourceInput struct {
	ID string `q:"resourceIdentifier,required"`
}

// getManagedResourceOutput says of a cluster that its zones have their full weight and that nothing is shifted.
type getManagedResourceOutput struct {
	ARN        string             `json:"arn"`
	Name       string             `json:"name"`
	Weights    map[string]float64 `json:"appliedWeights"`
	Shifts     []struct{}         `json:"zonalShifts"`
	AutoShifts []struct{}         `json:"autoshifts"`
	AutoStatus string             `json:"zonalAutoshiftStatus"`
}

func (s service) getManagedResource(_ context.Context, _ wire.Call, in *getManagedResourceInput) (*getManagedResourceOutput, error) {
	seed := s.w.Seed()
	if !seed.Cluster.ZonalShift || in.ID != seed.ClusterARN() {
		return nil, awserr.New("ResourceNotFoundException", "The resource %s is not registered with zonal shift", in.ID)
	}
	return &getManagedResourceOutput{
		ARN: in.ID, Name: seed.Cluster.Name, Shifts: []struct{}{}, AutoShifts: []struct{}{}, AutoStatus: "DISABLED",
		Weights: lo.SliceToMap(seed.Zones, func(z world.Zone) (string, float64) { return z.ID, 1 }),
	}, nil
}
