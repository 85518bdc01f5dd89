package podrunner

import (
	"context"
	"fmt"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// defaultTokenSeconds is the API's default lifetime of a projected token.
const defaultTokenSeconds = 3600

// tokenRequester requests tokens bound to pods and keeps each for four fifths of its life, as a kubelet does.
type tokenRequester struct {
	client kubernetes.Interface
	clock  clock.PassiveClock

	mu     sync.Mutex
	tokens map[tokenKey]heldToken
}

type tokenKey struct {
	pod      types.UID
	audience string
	seconds  int64
}

type heldToken struct {
	value string
	renew time.Time
}

func newTokenRequester(client kubernetes.Interface, clk clock.PassiveClock) *tokenRequester {
	return &tokenRequester{client: client, clock: clk, tokens: map[tokenKey]heldToken{}}
}

func (r *tokenRequester) token(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection) (string, error) {
	key := tokenKey{pod: pod.UID, audience: p.Audience, seconds: ptr.Deref(p.ExpirationSeconds, defaultTokenSeconds)}
	now := r.clock.Now()
	r.mu.Lock()
	held, ok := r.tokens[key]
	r.mu.Unlock()
	if ok && now.Before(held.renew) {
		return held.value, nil
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &key.seconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	account := pod.Spec.ServiceAccountName
	answer, err := r.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("requesting a token for ServiceAccount %s: %w", account, err)
	}
	lifetime := answer.Status.ExpirationTimestamp.Sub(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens[key] = heldToken{value: answer.Status.Token, renew: now.Add(lifetime * 4 / 5)}
	return answer.Status.Token, nil
}

// forget drops a pod's tokens.
func (r *tokenRequester) forget(pod types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.tokens {
		if key.pod == pod {
			delete(r.tokens, key)
		}
	}
}
