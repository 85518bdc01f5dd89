package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox"
)

// statusTimeout bounds asking one sandbox how it is.
const statusTimeout = 5 * time.Second

func printStatus(ctx context.Context, out io.Writer, home string, list []sandbox.Info, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tAGE\tAPI SERVER\tPODS\tPID\tDIRECTORY")
	for _, info := range list {
		state, pods := "dead", "-"
		if info.Running {
			state, pods = stateOf(ctx, home, info.Name)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", info.Name, state,
			duration.HumanDuration(now.Sub(info.Created)), info.APIServer, pods, info.PID, info.Dir)
	}
	return w.Flush()
}

// stateOf asks a sandbox how many of its containers on host nodes are ready, and whether anything had to be restarted.
func stateOf(ctx context.Context, home, name string) (state, pods string) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	sb, err := sandbox.AttachIn(home, name)
	if err != nil {
		return "starting", "-" // its kubeconfig is not there yet
	}
	status, err := sb.Status(ctx)
	if err != nil {
		return "not answering", "-"
	}
	ready := 0
	for _, c := range status.Containers {
		if c.Ready {
			ready++
		}
	}
	state = "up"
	for _, c := range status.Components {
		if c.PID == 0 {
			state = c.Name + " restarting"
		}
	}
	return state, fmt.Sprintf("%d/%d", ready, len(status.Containers))
}
