package world

import (
	"regexp"
	"slices"
	"strings"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// instanceID is the form of an instance ID.
var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// view returns a copy of an instance with its tags. The lock must be held.
func (w *World) view(i *instance) Instance {
	out := i.clone()
	out.Tags = w.tagsOf(i.ID)
	return out
}

// Instances returns the instances of the given IDs, all when there are none; one that does not exist is an error.
func (w *World) Instances(ids []string) ([]Instance, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, err := w.find(ids)
	if err != nil {
		return nil, err
	}
	return lo.Map(found, func(i *instance, _ int) Instance { return w.view(i) }), nil
}

// find finds instances by ID.
func (w *World) find(ids []string) ([]*instance, error) {
	if len(ids) == 0 {
		return lo.Values(w.instances), nil
	}
	var found []*instance
	var missing []string
	for _, id := range lo.Uniq(ids) {
		if !instanceID.MatchString(id) {
			return nil, awserr.New("InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id)
		}
		if i, ok := w.instances[id]; ok {
			found = append(found, i)
		} else {
			missing = append(missing, id)
		}
	}
	switch len(missing) {
	case 0:
		return found, nil
	case 1:
		return nil, awserr.New("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", missing[0])
	default:
		return nil, awserr.New("InvalidInstanceID.NotFound", "The instance IDs '%s' do not exist", strings.Join(missing, ", "))
	}
}

// StateChange is what TerminateInstances did to an instance.
type StateChange struct {
	ID                string
	Previous, Current InstanceState
}

// TerminateInstances begins the end of instances. Those that are on their way already are left as they are.
func (w *World) TerminateInstances(ids []string, dryRun bool) ([]StateChange, error) {
	return w.terminate(ids, dryRun, func(*instance) StateReason {
		return StateReason{
			Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown",
			Transition: "User initiated (" + w.clk.Now().UTC().Format("2006-01-02 15:04:05") + " GMT)",
		}
	})
}

// Reclaim terminates an instance as AWS itself does.
func (w *World) Reclaim(id string) error {
	_, err := w.terminate([]string{id}, false, func(i *instance) StateReason {
		if i.CapacityType == Spot {
			return StateReason{Code: "Server.SpotInstanceTermination", Message: "Server.SpotInstanceTermination: Spot instance termination"}
		}
		return StateReason{Code: "Server.InternalError", Message: "Server.InternalError: Internal error"}
	})
	return err
}

func (w *World) terminate(ids []string, dryRun bool, reason func(*instance) StateReason) ([]StateChange, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(ids) == 0 {
		return nil, awserr.MissingParameter("InstanceId")
	}
	found, err := w.find(ids)
	if err != nil {
		return nil, err
	}
	if dryRun {
		return nil, awserr.DryRun()
	}
	var changes []StateChange
	for _, i := range found {
		change := StateChange{ID: i.ID, Previous: i.State}
		if i.active() {
			i.State, i.StateReason = ShuttingDown, reason(i)
			if i.end != nil {
				i.end()
			}
		}
		change.Current = i.State
		changes = append(changes, change)
	}
	return changes, nil
}

// SetHealth sets what status checks and scheduled events say of an instance.
func (w *World) SetHealth(id string, h control.Health) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, err := w.find([]string{id})
	if err != nil {
		return err
	}
	found[0].Health = Health{
		InstanceImpaired: h.InstanceImpaired, SystemImpaired: h.SystemImpaired, Event: h.Event, Since: w.clk.Now(),
	}
	return nil
}

// Images returns the images that are published.
func (w *World) Images() []Image {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Image
	for id, img := range w.images {
		if w.published(img) {
			img.Tags = w.tagsOf(id)
			out = append(out, img)
		}
	}
	return out
}

// published tells whether an image is out yet.
func (w *World) published(i Image) bool { return i.Generation <= w.settings.AMIGeneration }

// Parameter finds an SSM parameter. The version counts the generations that have changed it.
func (w *World) Parameter(name string) (value string, version int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v, ok := w.seed.Parameters[name]; ok {
		return v, 1, nil
	}
	published := w.parameters[:min(w.settings.AMIGeneration, len(w.parameters))]
	for n, p := range slices.Backward(published) {
		if v, ok := p[name]; ok {
			return v, n + 1, nil
		}
	}
	return "", 0, awserr.New("ParameterNotFound", "The parameter %s was not found", name)
}
