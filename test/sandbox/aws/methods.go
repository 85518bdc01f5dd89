package aws

import (
	"fmt"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// The methods below do what the control API does, for callers in the same process.

// AddFault puts a fault in force and returns it with its ID; a fault that does nothing, or cannot be, is an error.
func (s *Server) AddFault(f control.Fault) (control.Fault, error) { return s.faults.add(f) }

// Faults lists the faults that are in force or spent, oldest first.
func (s *Server) Faults() []control.Fault { return s.faults.list() }

// RemoveFault removes a fault and tells whether there was one of that ID.
func (s *Server) RemoveFault(id string) bool { return id != "" && s.faults.remove(id) }

// ClearFaults removes all faults.
func (s *Server) ClearFaults() { s.faults.remove("") }

// AddICE takes capacity away and returns the rule with its ID.
func (s *Server) AddICE(i control.ICE) control.ICE { return s.world.AddICE(i) }

// RemoveICE removes a rule and tells whether there was one of that ID.
func (s *Server) RemoveICE(id string) bool { return s.world.RemoveICE(id) }

// ClearICE gives all capacity back.
func (s *Server) ClearICE() { s.world.ClearICE() }

// Settings returns the settings.
func (s *Server) Settings() control.Settings { return s.world.Settings() }

// UpdateSettings changes the settings that are set in the patch and returns all of them.
func (s *Server) UpdateSettings(p control.SettingsPatch) (control.Settings, error) {
	return s.world.UpdateSettings(p)
}

// State returns what exists in the account.
func (s *Server) State() control.State {
	state := s.world.State()
	for n := range state.Instances {
		state.Instances[n].Pod = s.pod(state.Instances[n].Principal)
	}
	return state
}

// Requests returns the calls that match the filter, oldest first.
func (s *Server) Requests(f control.RequestFilter) control.RequestPage { return s.requests.page(f) }

// Counts returns the counters of calls by principal and action.
func (s *Server) Counts() []control.Count { return s.requests.counts() }

// ClearRequests forgets the request log and the counters.
func (s *Server) ClearRequests() { s.requests.clear() }

// TerminateInstance terminates an instance as AWS itself would.
func (s *Server) TerminateInstance(id string) error { return s.world.Reclaim(id) }

// SetInstanceHealth sets what DescribeInstanceStatus reports of an instance.
func (s *Server) SetInstanceHealth(id string, h control.Health) error {
	return s.world.SetHealth(id, h)
}

// Send puts a message into a queue: an event about an instance, or a body as it stands.
func (s *Server) Send(m control.Message) (control.MessageReceipt, error) {
	if m.Queue == "" {
		name, err := s.world.OnlyQueue()
		if err != nil {
			return control.MessageReceipt{}, fmt.Errorf("choosing the queue: %w", err)
		}
		m.Queue = name
	}
	body, err := eventBody(s.world.Seed(), s.clk.Now(), m)
	if err != nil {
		return control.MessageReceipt{}, err
	}
	url, err := s.world.QueueURL(m.Queue)
	if err != nil {
		return control.MessageReceipt{}, err
	}
	sent, err := s.world.Send(url, body)
	return control.MessageReceipt{MessageID: sent.ID, Body: body}, err
}
