// Package awserr has the errors that the emulator answers with, as AWS names and counts them.
package awserr

import (
	"fmt"
	"net/http"
)

// Error is a refusal in AWS terms. It is turned into the error shape of the protocol at the edge.
type Error struct {
	// Code is the AWS error code.
	Code string
	// Message is the text for the human.
	Message string
	// Status is the HTTP status.
	Status int
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// statuses are the HTTP statuses that AWS uses with a code where it is not 400.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and the services' common errors.
var statuses = map[string]int{
	"DryRunOperation":              http.StatusPreconditionFailed,
	"UnauthorizedOperation":        http.StatusForbidden,
	"AuthFailure":                  http.StatusForbidden,
	"AccessDenied":                 http.StatusForbidden,
	"MissingAuthenticationToken":   http.StatusForbidden,
	"NoSuchEntity":                 http.StatusNotFound,
	"EntityAlreadyExists":          http.StatusConflict,
	"DeleteConflict":               http.StatusConflict,
	"LimitExceeded":                http.StatusConflict,
	"ResourceNotFoundException":    http.StatusNotFound,
	"RequestLimitExceeded":         http.StatusServiceUnavailable,
	"InsufficientInstanceCapacity": http.StatusInternalServerError,
	"InternalError":                http.StatusInternalServerError,
	"InternalFailure":              http.StatusInternalServerError,
	"InternalServerError":          http.StatusInternalServerError,
	"ServerException":              http.StatusInternalServerError,
	"ServiceUnavailable":           http.StatusServiceUnavailable,
	"ServiceUnavailableException":  http.StatusServiceUnavailable,
	"Unavailable":                  http.StatusServiceUnavailable,
	"TooManyRequestsException":     http.StatusTooManyRequests,
	"UnrecognizedClientException":  http.StatusForbidden,
}

// StatusFor returns the HTTP status that AWS uses with a code.
func StatusFor(code string) int {
	if s, ok := statuses[code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// New returns an error with the status that AWS uses with the code.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: StatusFor(code)}
}

// DryRun is what EC2 answers to a dry run that would have succeeded.
func DryRun() *Error {
	return New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

// UnknownParameter refuses a parameter that the emulator does not know, or does not support.
func UnknownParameter(name string) *Error {
	return New("UnknownParameter", "The parameter %s is not recognized", name)
}

// MissingParameter says that a required parameter is absent.
func MissingParameter(name string) *Error {
	return New("MissingParameter", "The request must contain the parameter %s", name)
}

// InvalidValue says that a parameter has a value that it may not have.
func InvalidValue(name, value, why string) *Error {
	return New("InvalidParameterValue", "Value (%s) for parameter %s is invalid. %s", value, name, why)
}
