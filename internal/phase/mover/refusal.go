package mover

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/drain"
)

const (
	// writers is how many writes are under way at the same time.
	writers = 8
	// writeTimeout bounds one write. A webhook may hang for 30 seconds, and the API server may ask for an eviction to be tried
	// again after ten, which client-go does by itself, ten times.
	writeTimeout = 5 * time.Second
	// writeBudget bounds what one step spends on one kind of writes: after it no further write begins. Together they stay
	// well below what a step may take.
	writeBudget = 30 * time.Second
)

// each does up to a batch of n writes, some at the same time, and says which were tried.
func each(ctx context.Context, n int, do func(ctx context.Context, i int)) (tried []bool) {
	tried = make([]bool, n)
	budget, cancel := context.WithTimeout(ctx, writeBudget)
	defer cancel()
	workqueue.ParallelizeUntil(budget, writers, min(n, batch), func(i int) {
		one, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		do(one, i)
		tried[i] = true
	})
	return tried
}

// turn begins a list at another place each second: where one step cannot do all, none is left out for ever.
func turn[T any](all []T, now time.Time) []T {
	if len(all) == 0 {
		return all
	}
	at := int(now.Unix() % int64(len(all)))
	return append(append(make([]T, 0, len(all)), all[at:]...), all[:at]...)
}

// refusal is an error of a write that concerns the one object that was written.
type refusal struct {
	// action is Hold when a person has to do something, and Wait when it may go well another time.
	action drain.Action
	why    string
	// moot says that there is nothing to write any more, or that what is there has changed: the next look shows it.
	moot bool
	// budget says that a PodDisruptionBudget refused.
	budget bool
}

// judge tells errors that concern one object from those that concern all, for which it returns nil: the operator lacks a
// permission, the API server is away, or ctx, which is that of the step and not of the write, has ended.
func judge(ctx context.Context, err error, verb string) *refusal {
	var status apierrors.APIStatus
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &refusal{action: drain.Wait, why: fmt.Sprintf("no answer within %s, maybe of an admission webhook: %v", writeTimeout, err)}
	case !errors.As(err, &status), lacksPermission(err, verb), status.Status().Code == http.StatusServiceUnavailable:
		return nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return &refusal{moot: true}
	case apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause):
		return &refusal{action: drain.Wait, budget: true, why: err.Error()}
	case status.Status().Code == http.StatusTooManyRequests, status.Status().Code >= http.StatusInternalServerError:
		// Some products take an eviction for a request, and move the pod themselves; 500 is what a webhook that fails comes to.
		return &refusal{action: drain.Wait, why: err.Error()}
	default:
		return &refusal{action: drain.Hold, why: err.Error()}
	}
}

// lacksPermission says that the API server refuses the operator a write. Admission (a webhook or a policy) answers with the
// same code, which then concerns one object (k8s.io/apiserver pkg/endpoints/handlers/responsewriters has the words).
func lacksPermission(err error, verb string) bool {
	return apierrors.IsUnauthorized(err) || (apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot "+verb+" resource"))
}
