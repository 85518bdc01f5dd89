// Command probe is a container for tests: it says in JSON what it sees, and then does what it is told.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

type view struct {
	PID      int
	UID      int
	Hostname string
	Dir      string
	Args     []string
	Env      []string
	Root     []string
	Links    []string
	Caps     string
	Writes   map[string]bool
	Reads    map[string]string
}

func main() {
	v := view{PID: os.Getpid(), UID: os.Getuid(), Args: os.Args, Env: os.Environ(), Writes: map[string]bool{}, Reads: map[string]string{}}
	v.Hostname, _ = os.Hostname()
	v.Dir, _ = os.Getwd()
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		v.Root = append(v.Root, e.Name())
	}
	links, _ := net.Interfaces()
	for _, l := range links {
		v.Links = append(v.Links, l.Name)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "CapEff:"); ok {
			v.Caps = strings.TrimSpace(rest)
		}
	}
	for _, dir := range []string{"/", "/tmp", "/data", "/config", "/dev/null"} {
		path := filepath.Join(dir, "written")
		if dir == "/dev/null" {
			path = dir
		}
		v.Writes[dir] = os.WriteFile(path, []byte("x"), 0o600) == nil
	}
	for _, path := range []string{"/etc/hosts", "/config/key", "/proc/1/comm"} {
		data, _ := os.ReadFile(path)
		v.Reads[path] = string(data)
	}
	_ = json.NewEncoder(os.Stdout).Encode(v)
	act(os.Args[1:])
}

func act(args []string) {
	if len(args) == 0 {
		return
	}
	switch args[0] {
	case "fail":
		fmt.Fprintln(os.Stderr, "failing")
		os.Exit(3)
	case "wait":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Println("waiting")
		<-signals
		fmt.Println("terminated")
	case "hang":
		fmt.Println("hanging")
		select {}
	}
}
