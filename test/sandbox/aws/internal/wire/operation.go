package wire

import (
	"context"
	"reflect"
)

// Protocol is an AWS wire protocol.
type Protocol int

// The protocols that the emulator speaks.
const (
	EC2Query Protocol = iota
	AWSQuery
	JSON10
	JSON11
	RESTJSON
)

// Call is what an operation knows of its caller.
type Call struct {
	Service, Action string
	// Principal is the access key id that signed the call, empty for unsigned ones.
	Principal string
	// RequestID is unique to the call.
	RequestID string
}

// Operation is one action of a service.
type Operation struct {
	// In and Out are the struct types of input and output.
	In, Out reflect.Type
	// Call runs the operation with a pointer to In and returns a pointer to Out.
	Call func(ctx context.Context, c Call, in any) (any, error)
}

// Op makes an operation of a typed function.
func Op[I, O any](f func(ctx context.Context, c Call, in *I) (*O, error)) Operation {
	return Operation{
		In:  reflect.TypeFor[I](),
		Out: reflect.TypeFor[O](),
		Call: func(ctx context.Context, c Call, in any) (any, error) {
			return f(ctx, c, in.(*I))
		},
	}
}

// Route binds a REST path to an action. A segment in braces is a path parameter.
type Route struct {
	Method, Path, Action string
}

// Service is the description of one AWS service.
type Service struct {
	// Name is the service's name in signatures, Hosts the first labels of its host names where they differ.
	Name  string
	Hosts []string
	// Protocol is how the service is spoken to.
	Protocol Protocol
	// Version is the API version that query requests name, Namespace the XML namespace of the answers.
	Version, Namespace string
	// TargetPrefix is what precedes the action in the X-Amz-Target header of the JSON protocols, ShapePrefix what
	// precedes an error's code.
	TargetPrefix, ShapePrefix string
	// Global services answer calls signed for any region.
	Global bool
	// Routes are the paths of a REST service.
	Routes []Route
	// Unsigned are the actions that need no signature.
	Unsigned map[string]bool
	// Operations are the actions by name.
	Operations map[string]Operation
}
