// Package pricing serves the part of the Price List service that Karpenter calls, in the AWS JSON 1.1 protocol.
package pricing

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is the Price List service acting on a world.
type service struct{ w *world.World }

// New describes the Price List service, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "pricing", Protocol: wire.JSON11, TargetPrefix: "AWSPriceListService", Global: true,
		ShapePrefix: "com.amazonaws.pricing#",
		Operations:  map[string]wire.Operation{"GetProducts": wire.Op(s.getProducts)},
	}
}

type getProductsInput struct {
	ServiceCode   string   `json:"ServiceCode" need:"true"`
	Filters       []filter `json:"Filters"`
	FormatVersion string   `json:"FormatVersion"`
	MaxResults    int      `json:"MaxResults"`
	NextToken     string   `json:"NextToken"`
}

type filter struct {
	Type  string `json:"Type"`
	Field string `json:"Field"`
	Value string `json:"Value"`
}

type getProductsOutput struct {
	FormatVersion string `json:"FormatVersion"`
	// PriceList are JSON documents, each as a string.
	PriceList []string `json:"PriceList"`
	NextToken string   `json:"NextToken,omitempty"`
}

// document is a product with its prices.
// Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html.
type document struct {
	Product     product `json:"product"`
	ServiceCode string  `json:"serviceCode"`
	Terms       terms   `json:"terms"`
	Version     string  `json:"version"`
	Published   string  `json:"publicationDate"`
}

type product struct {
	Family     string            `json:"productFamily"`
	Attributes map[string]string `json:"attributes"`
	SKU        string            `json:"sku"`
}

type terms struct {
	OnDemand map[string]term `json:"OnDemand"`
}

type term struct {
	Dimensions map[string]dimension `json:"priceDimensions"`
	SKU        string               `json:"sku"`
	Effective  string               `json:"effectiveDate"`
}

type dimension struct {
	Unit         string            `json:"unit"`
	Description  string            `json:"description"`
	PricePerUnit map[string]string `json:"pricePerUnit"`
}

var paging = wire.Paging{Parameter: "MaxResults", Min: 1, Max: 100, Default: 100, BadToken: "InvalidNextTokenException"}

func (s service) getProducts(_ context.Context, _ wire.Call, in *getProductsInput) (*getProductsOutput, error) {
	if in.ServiceCode != "AmazonEC2" {
		return nil, awserr.New("NotFoundException", "Invalid ServiceCode: %s. This emulator has prices of AmazonEC2.", in.ServiceCode)
	}
	if in.FormatVersion != "" && in.FormatVersion != "aws_v1" {
		return nil, awserr.New("InvalidParameterException", "FormatVersion %s is not aws_v1", in.FormatVersion)
	}
	var found []world.InstanceType
	for _, t := range s.w.InstanceTypes() {
		fits, err := matches(s.product(t), in.Filters)
		if err != nil {
			return nil, err
		}
		if fits {
			found = append(found, t)
		}
	}
	page, next, err := wire.Page(paging, found, func(t world.InstanceType) string { return t.Name }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &getProductsOutput{FormatVersion: "aws_v1", PriceList: []string{}, NextToken: next}
	for _, t := range page {
		raw, err := json.Marshal(s.document(t))
		if err != nil {
			return nil, fmt.Errorf("encoding the price of %s: %w", t.Name, err)
		}
		out.PriceList = append(out.PriceList, string(raw))
	}
	return out, nil
}

// product describes an instance type as the price list does. Machines without hypervisor have a family and a tenancy
// of their own.
func (s service) product(t world.InstanceType) product {
	p := product{
		Family: "Compute Instance", SKU: sku(t),
		Attributes: map[string]string{
			"serviceCode": "AmazonEC2", "servicecode": "AmazonEC2", "regionCode": s.w.Seed().Region,
			"instanceType": t.Name, "tenancy": "Shared", "operatingSystem": "Linux", "preInstalledSw": "NA",
			"capacitystatus": "Used", "marketoption": "OnDemand", "vcpu": strconv.Itoa(t.VCPUs),
			"memory": strconv.FormatFloat(float64(t.MemoryMiB)/1024, 'f', -1, 64) + " GiB", "licenseModel": "No License required",
		},
	}
	if t.BareMetal {
		p.Family, p.Attributes["tenancy"] = "Compute Instance (bare metal)", "Dedicated"
	}
	return p
}

// document makes the price list document of an instance type.
func (s service) document(t world.InstanceType) document {
	const since, offer, rate = "2026-01-01T00:00:00Z", ".JRTCKXETXF", ".6YS6EN2CT7"
	id := sku(t)
	currency := "USD"
	if s.w.Seed().Partition == "aws-cn" {
		currency = "CNY"
	}
	price := strconv.FormatFloat(t.OnDemandPrice, 'f', 10, 64)
	return document{
		Product: s.product(t), ServiceCode: "AmazonEC2", Version: "20260101000000", Published: since,
		Terms: terms{OnDemand: map[string]term{id + offer: {
			SKU: id, Effective: since,
			Dimensions: map[string]dimension{id + offer + rate: {
				Unit: "Hrs", Description: "$" + price + " per On Demand Linux " + t.Name + " Instance Hour",
				PricePerUnit: map[string]string{currency: price},
			}},
		}}},
	}
}

// sku makes a stable identifier of an instance type.
func sku(t world.InstanceType) string {
	return strings.ToUpper(strings.NewReplacer(".", "", "-", "").Replace("SKU" + t.Name))
}

// matches tells whether a product fits all filters. A field that products do not have is refused.
func matches(p product, filters []filter) (bool, error) {
	for _, f := range filters {
		if f.Type != "TERM_MATCH" {
			return false, awserr.New("InvalidParameterException", "Filter type %s: this emulator knows TERM_MATCH only", f.Type)
		}
		value, ok := p.Attributes[f.Field]
		if f.Field == "productFamily" {
			value, ok = p.Family, true
		}
		if !ok {
			return false, awserr.New("InvalidParameterException", "%s is not an attribute of AmazonEC2 that this emulator has", f.Field)
		}
		if value != f.Value {
			return false, nil
		}
	}
	return true, nil
}
