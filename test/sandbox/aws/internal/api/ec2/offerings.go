package ec2

import (
	"fmt"
	"slices"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type describeInstanceTypeOfferingsInput struct {
	listing
	LocationType string `q:"LocationType"`
}

type describeInstanceTypeOfferingsOutput struct {
	Offerings []offering `xml:"instanceTypeOfferingSet>item"`
	more
}

type offering struct {
	InstanceType string `xml:"instanceType"`
	Location     string `xml:"location"`
	LocationType string `xml:"locationType"`
}

var offeringFields = fields[offering]{
	"instance-type": one(func(o offering) string { return o.InstanceType }),
	"location":      one(func(o offering) string { return o.Location }),
}

func (s service) describeInstanceTypeOfferings(in describeInstanceTypeOfferingsInput) (*describeInstanceTypeOfferingsOutput, error) {
	locations := map[string][]string{
		"": {s.w.Seed().Region}, "region": {s.w.Seed().Region},
		"availability-zone":    lo.Map(s.w.Zones(), func(z world.Zone, _ int) string { return z.Name }),
		"availability-zone-id": lo.Map(s.w.Zones(), func(z world.Zone, _ int) string { return z.ID }),
	}[in.LocationType]
	if locations == nil {
		return nil, awserr.InvalidValue("locationType", in.LocationType, "This emulator has no such locations.")
	}
	var all []offering
	for _, t := range s.w.InstanceTypes() {
		for _, l := range locations {
			all = append(all, offering{InstanceType: t.Name, Location: l, LocationType: lo.CoalesceOrEmpty(in.LocationType, "region")})
		}
	}
	found, err := apply(in.Filters, all, offeringFields, nil)
	if err != nil {
		return nil, err
	}
	key := func(o offering) string { return o.InstanceType + " " + o.Location }
	page, next, err := wire.Page(paging(5, 1000, 1000), found, key, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeInstanceTypeOfferingsOutput{Offerings: page, more: more{next}}, nil
}

type describeSpotPriceHistoryInput struct {
	listing
	AvailabilityZone    string    `q:"AvailabilityZone"`
	InstanceTypes       []string  `q:"InstanceType"`
	ProductDescriptions []string  `q:"ProductDescription"`
	StartTime           time.Time `q:"StartTime"`
	EndTime             time.Time `q:"EndTime"`
}

type describeSpotPriceHistoryOutput struct {
	Prices []spotPrice `xml:"spotPriceHistorySet>item"`
	more
}

type spotPrice struct {
	InstanceType       string    `xml:"instanceType"`
	ProductDescription string    `xml:"productDescription"`
	Price              string    `xml:"spotPrice"`
	Timestamp          wire.Time `xml:"timestamp"`
	AvailabilityZone   string    `xml:"availabilityZone"`
}

// products are the descriptions that the emulator's spot prices go under.
var products = []string{"Linux/UNIX"}

// spotPriceSince is when the prices were set, which never change.
var spotPriceSince = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

var spotFields = fields[spotPrice]{
	"instance-type":       one(func(p spotPrice) string { return p.InstanceType }),
	"availability-zone":   one(func(p spotPrice) string { return p.AvailabilityZone }),
	"product-description": one(func(p spotPrice) string { return p.ProductDescription }),
	"spot-price":          one(func(p spotPrice) string { return p.Price }),
}

func (s service) describeSpotPriceHistory(in describeSpotPriceHistoryInput) (*describeSpotPriceHistoryOutput, error) {
	var all []spotPrice
	for _, t := range s.w.InstanceTypes() {
		for _, z := range s.w.Zones() {
			for _, product := range products {
				p := spotPrice{
					InstanceType: t.Name, ProductDescription: product, Price: fmt.Sprintf("%.6f", t.SpotPrice(z.Name)),
					Timestamp: wire.Time{Time: spotPriceSince}, AvailabilityZone: z.Name,
				}
				if in.wants(p) {
					all = append(all, p)
				}
			}
		}
	}
	found, err := apply(in.Filters, all, spotFields, nil)
	if err != nil {
		return nil, err
	}
	key := func(p spotPrice) string {
		return p.InstanceType + " " + p.AvailabilityZone + " " + p.ProductDescription
	}
	// EC2 documents 1000 as the largest page and takes more; Karpenter asks for 2000.
	page, next, err := wire.Page(paging(1, 10000, 1000), found, key, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return &describeSpotPriceHistoryOutput{Prices: page, more: more{next}}, nil
}

// wants tells whether a price is asked for. EC2 returns the price in force at the start time, whenever it was set, so
// that a start time excludes nothing here.
func (in describeSpotPriceHistoryInput) wants(p spotPrice) bool {
	return (in.AvailabilityZone == "" || in.AvailabilityZone == p.AvailabilityZone) &&
		(len(in.InstanceTypes) == 0 || slices.Contains(in.InstanceTypes, p.InstanceType)) &&
		(len(in.ProductDescriptions) == 0 || slices.ContainsFunc(in.ProductDescriptions, func(d string) bool {
			return d == p.ProductDescription || d == p.ProductDescription+" (Amazon VPC)"
		})) &&
		(in.EndTime.IsZero() || in.EndTime.After(p.Timestamp.Time))
}
