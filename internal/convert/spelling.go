package convert

import (
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// never is how Karpenter writes a duration that does not end.
const never = "Never"

// until takes a duration that may be Never, which is also what one that is not there means; it stays spelled as it is.
func (s *section) until(name string) string {
	text := s.text(name)
	if text == "" {
		return never
	}
	if text != never {
		if _, err := time.ParseDuration(text); err != nil {
			s.r.failf(s.at(name), "%v", err)
		}
	}
	return text
}

// moveDuration carries a duration over, spelled as Kubernetes' own type does it: 90m becomes 1h30m0s.
func (s *section) moveDuration(to map[string]any, name string) {
	text := s.text(name)
	if text == "" {
		return
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.r.failf(s.at(name), "%v", err)
		return
	}
	to[name] = metav1.Duration{Duration: d}.Duration.String()
}

// moveQuantity carries a quantity over in its canonical spelling: 2048Gi becomes 2Ti.
func (s *section) moveQuantity(to map[string]any, name string) {
	if v := s.take(name); v != nil {
		to[name] = s.quantity(name, v)
	}
}

// moveQuantities carries a mapping of quantities over, unless it is empty.
func (s *section) moveQuantities(to map[string]any, name string) {
	all := s.section(name)
	quantities := map[string]any{}
	for key, v := range all.rest {
		quantities[key] = all.quantity(key, v)
	}
	clear(all.rest)
	put(to, name, quantities)
}

func (s *section) quantity(name string, v any) string {
	text := fmt.Sprint(v)
	if f, ok := v.(float64); ok {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		s.r.failf(s.at(name), "%q is not a quantity: %v", text, err)
		return text
	}
	return q.String()
}
