// Package fault tells errors apart by what helps against them. It is the one place where that is decided.
package fault

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"

	"github.com/aws/smithy-go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// Class says what helps against an error.
type Class int

const (
	// Transient errors go away by themselves: conflicts, throttling, timeouts, servers that are busy or away.
	Transient Class = iota
	// Denied errors go away when somebody grants a permission.
	Denied
	// Terminal errors come back each time: the request itself is wrong.
	Terminal
)

// terminal is an error that its maker knows to be terminal.
type terminal struct{ error }

func (t terminal) Unwrap() error { return t.error }

// NewTerminal marks an error as one that comes back each time.
func NewTerminal(err error) error { return terminal{err} }

// denied is an error that its maker knows to come from the want of a permission.
type denied struct{ error }

func (d denied) Unwrap() error { return d.error }

// NewDenied marks an error as one that goes away when somebody grants a permission, where its text alone says so.
func NewDenied(err error) error { return denied{err} }

// Codes of AWS errors. Throttling, and whatever is not listed, is Transient: AWS's errors are many, and a run that waits
// and says why does less harm than one that rolls back for a hiccup.
var (
	awsDenied   = []string{"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "ExpiredToken", "ExpiredTokenException"}
	awsTerminal = []string{"InvalidParameterValue", "InvalidParameterException", "InvalidAction", "ResourceNotFoundException", "InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "TagLimitExceeded", "ValidationError"}
)

// Classify says what helps against err.
func Classify(err error) Class {
	var marked terminal
	var refused denied
	var api smithy.APIError
	switch {
	case errors.As(err, &marked):
		return Terminal
	case errors.As(err, &refused):
		return Denied
	case errors.As(err, &api):
		return classifyAWS(api)
	case isNetwork(err):
		return Transient
	default:
		return classifyKubernetes(err)
	}
}

func classifyAWS(err smithy.APIError) Class {
	switch {
	case slices.Contains(awsDenied, err.ErrorCode()):
		return Denied
	case slices.Contains(awsTerminal, err.ErrorCode()):
		return Terminal
	default:
		return Transient
	}
}

func classifyKubernetes(err error) Class {
	switch {
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, "NamespaceTerminating"), apierrors.IsUnauthorized(err):
		return Denied
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err),
		apierrors.IsRequestEntityTooLargeError(err), meta.IsNoMatchError(err):
		return Terminal
	default:
		return Transient
	}
}

func isNetwork(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &netErr) ||
		utilnet.IsConnectionRefused(err) || utilnet.IsConnectionReset(err) || errors.Is(err, syscall.EPIPE)
}
