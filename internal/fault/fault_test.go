package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/aws/smithy-go"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestClassify(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		err  error
		want Class
	}{
		"conflict":            {apierrors.NewConflict(pods, "a", errors.New("b")), Transient},
		"throttled":           {apierrors.NewTooManyRequests("slow down", 1), Transient},
		"webhook unavailable": {apierrors.NewInternalError(errors.New("conversion webhook failed")), Transient},
		"server away":         {&net.OpError{Op: "dial", Err: errors.New("refused")}, Transient},
		"deadline":            {context.DeadlineExceeded, Transient},
		"not found":           {apierrors.NewNotFound(pods, "a"), Transient},
		"forbidden":           {apierrors.NewForbidden(pods, "a", errors.New("no")), Denied},
		"invalid":             {apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "a", nil), Terminal},
		"no such kind":        {&meta.NoKindMatchError{}, Terminal},
		"marked":              {NewTerminal(errors.New("no way back")), Terminal},
		"AWS throttled":       {&smithy.GenericAPIError{Code: "RequestLimitExceeded"}, Transient},
		"AWS denied":          {&smithy.GenericAPIError{Code: "UnauthorizedOperation"}, Denied},
		"AWS wrong request":   {&smithy.GenericAPIError{Code: "InvalidSubnetID.NotFound"}, Terminal},
		"AWS unheard of":      {&smithy.GenericAPIError{Code: "Gremlins"}, Transient},
		"plain":               {errors.New("something"), Transient},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Classify(fmt.Errorf("while testing: %w", tc.err))).To(Equal(tc.want))
		})
	}
}
