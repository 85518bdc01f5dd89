package world

import (
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

// AddICE takes capacity away.
func (w *World) AddICE(i control.ICE) control.ICE {
	w.mu.Lock()
	defer w.mu.Unlock()
	i.Hits = 0
	return w.ice.add("ice", i, func(i *control.ICE, id string) { i.ID = id })
}

// ICEs lists what was taken away.
func (w *World) ICEs() []control.ICE {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ice.list()
}

// RemoveICE gives back what one rule took; false if there is no such rule.
func (w *World) RemoveICE(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ice.remove(id)
}

// ClearICE gives all capacity back.
func (w *World) ClearICE() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ice.items = nil
}

// capacity returns the error for launching into a pool that has no capacity, nil if it has.
func (w *World) capacity(instanceType, zone string, ct CapacityType) error {
	for n := range w.ice.items {
		i := &w.ice.items[n].item
		if wire.MatchAny(i.InstanceType, instanceType) && wire.MatchAny(i.Zone, zone) &&
			wire.MatchAny(i.CapacityType, string(ct)) {
			i.Hits++
			return insufficientCapacity(instanceType, zone, ct)
		}
	}
	return nil
}

func insufficientCapacity(instanceType, zone string, ct CapacityType) error {
	if ct == Spot {
		return awserr.New("InsufficientInstanceCapacity", "There is no Spot capacity available that matches your request.")
	}
	return awserr.New("InsufficientInstanceCapacity",
		"We currently do not have sufficient %s capacity in the Availability Zone you requested (%s).", instanceType, zone)
}
