// Package ssm serves the part of Systems Manager that Karpenter calls, in the AWS JSON 1.1 protocol.
package ssm

import (
	"context"
	"time"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is Systems Manager acting on a world.
type service struct{ w *world.World }

// New describes Systems Manager, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "ssm", Protocol: wire.JSON11, TargetPrefix: "AmazonSSM",
		Operations: map[string]wire.Operation{"GetParameter": wire.Op(s.getParameter)},
	}
}

type getParameterInput struct {
	Name string `json:"Name" need:"true"`
	// WithDecryption is for parameters of the type SecureString, of which there are none.
	WithDecryption bool `json:"WithDecryption"`
}

type getParameterOutput struct {
	Parameter parameter `json:"Parameter"`
}

type parameter struct {
	ARN              string     `json:"ARN"`
	DataType         string     `json:"DataType"`
	LastModifiedDate wire.Epoch `json:"LastModifiedDate"`
	Name             string     `json:"Name"`
	Type             string     `json:"Type"`
	Value            string     `json:"Value"`
	Version          int        `json:"Version"`
}

// modified is when the parameters were set.
var modified = wire.Epoch{Time: time.Date(2026, time.January, 5, 9, 45, 0, 0, time.UTC)}

func (s service) getParameter(_ context.Context, _ wire.Call, in *getParameterInput) (*getParameterOutput, error) {
	value, version, err := s.w.Parameter(in.Name)
	if err != nil {
		return nil, err
	}
	seed := s.w.Seed()
	return &getParameterOutput{Parameter: parameter{
		ARN: seed.ARN("ssm", seed.Region, "parameter"+in.Name), DataType: "text", LastModifiedDate: modified, Name: in.Name,
		Type: "String", Value: value, Version: version,
	}}, nil
}
