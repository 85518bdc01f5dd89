package ec2

import "github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"

// The account has neither capacity reservations nor placement groups. The calls that list them are answered, for
// callers look before they use one; one that is named is refused as absent.

// absence is an item of which there is none.
type absence struct{}

type describeCapacityReservationsInput struct {
	listing
	IDs []string `q:"CapacityReservationId"`
}

type describeCapacityReservationsOutput struct {
	Reservations []absence `xml:"capacityReservationSet>item"`
}

// noField stands for the filters that would be read if there were anything to filter.
func noField(absence) []string { return nil }

func noTags(absence) map[string]string { return nil }

var capacityReservationFields = fields[absence]{
	"state": noField, "instance-type": noField, "owner-id": noField, "availability-zone": noField,
	"instance-match-criteria": noField, "tenancy": noField, "end-date-type": noField,
}

func (s service) describeCapacityReservations(in describeCapacityReservationsInput) (*describeCapacityReservationsOutput, error) {
	if err := exclusive(in.MaxResults, in.IDs, "capacityReservationIds"); err != nil {
		return nil, err
	}
	if len(in.IDs) > 0 {
		return nil, awserr.New("InvalidCapacityReservationId.NotFound",
			"The specified capacity reservation '%s' does not exist", in.IDs[0])
	}
	_, err := apply(in.Filters, nil, capacityReservationFields, noTags)
	return &describeCapacityReservationsOutput{}, err
}

type describePlacementGroupsInput struct {
	request
	Filters []filter `q:"Filter"`
	IDs     []string `q:"GroupId"`
	Names   []string `q:"GroupName"`
}

type describePlacementGroupsOutput struct {
	Groups []absence `xml:"placementGroupSet>item"`
}

var placementGroupFields = fields[absence]{
	"state": noField, "strategy": noField, "group-name": noField, "spread-level": noField,
}

func (s service) describePlacementGroups(in describePlacementGroupsInput) (*describePlacementGroupsOutput, error) {
	for _, name := range append(in.IDs, in.Names...) {
		return nil, awserr.New("InvalidPlacementGroup.Unknown", "The Placement Group '%s' is unknown.", name)
	}
	_, err := apply(in.Filters, nil, placementGroupFields, noTags)
	return &describePlacementGroupsOutput{}, err
}
