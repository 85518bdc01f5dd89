// Package live reads the rows that users add to the version catalogue.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

const (
	// Label of a ConfigMap with rows.
	Label = "karpenter-upgrade.dev/catalog"
	// LabelValue is what it has to be.
	LabelValue = "true"
	// Key of the rows in it.
	Key = "versions.yaml"
)

// Source is the version catalogue with the rows that users add to it by ConfigMaps.
type Source struct {
	// Client reads past caches.
	Client client.Reader
	// Namespace is the operator's own: rows change what is planned, so they come from nowhere else.
	Namespace string
	// BuiltIn is the catalogue that rows are laid over.
	BuiltIn *catalog.Catalog

	mu sync.Mutex
	// good are the rows of each ConfigMap as they last were without an error, by its name.
	good map[string][]byte
}

// Catalog reads the ConfigMaps and lays their rows over the built-in catalogue, in the order of their names. Of a ConfigMap with
// an error nothing is taken over: it is among the problems, and what it last said without an error, as long as this process has
// run, still holds. What a ConfigMap said that is gone does not.
//
// An error means that the ConfigMaps could not be read.
func (s *Source) Catalog(ctx context.Context) (*catalog.Catalog, []catalog.Problem, error) {
	var list corev1.ConfigMapList
	if err := s.Client.List(ctx, &list, client.InNamespace(s.Namespace), client.MatchingLabels{Label: LabelValue}); err != nil {
		return nil, nil, fmt.Errorf("listing the ConfigMaps of the version catalogue in namespace %s: %w", s.Namespace, err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.ConfigMap) int { return cmp.Compare(a.Name, b.Name) })

	s.mu.Lock()
	defer s.mu.Unlock()
	out, good := s.BuiltIn, map[string][]byte{}
	var problems []catalog.Problem
	for i := range list.Items {
		cm := &list.Items[i]
		if cm.DeletionTimestamp != nil {
			continue
		}
		doc := rows(cm)
		next, err := out.With(doc)
		if err == nil {
			out, good[cm.Name] = next, doc
			continue
		}
		holds := false
		if last, had := s.good[cm.Name]; had {
			good[cm.Name] = last
			if next, err := out.With(last); err == nil { // it may not fit what another ConfigMap says now
				out, holds = next, true
			}
		}
		problems = append(problems, problem(cm, err, holds))
	}
	s.good = good
	return out, problems, nil
}

func rows(cm *corev1.ConfigMap) []byte {
	if doc, has := cm.Data[Key]; has {
		return []byte(doc)
	}
	return cm.BinaryData[Key]
}

func problem(cm *corev1.ConfigMap, err error, holds bool) catalog.Problem {
	p := catalog.Problem{Object: "ConfigMap/" + cm.Namespace + "/" + cm.Name, Why: err.Error(), Fix: "correct it, or remove the label " + Label}
	var wrong *catalog.RowError
	if errors.As(err, &wrong) {
		p.Why, p.Fix = wrong.Where()+": "+wrong.Why, wrong.Fix+"; or remove the label "+Label+" from the ConfigMap"
	}
	if len(rows(cm)) == 0 {
		p.Why, p.Fix = "it has no rows under the key "+Key, "put them there, or remove the label "+Label
	}
	if holds {
		p.Why += "; what it said before still holds"
	} else {
		p.Why += "; nothing of it is used"
	}
	return p
}
