package kubenode

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// bootstrapScript is the script by which Amazon Linux 2 joins a cluster.
// Source: https://github.com/awslabs/amazon-eks-ami, templates/al2/runtime/bootstrap.sh.
const bootstrapScript = "/etc/eks/bootstrap.sh"

// readScript looks for a call of the bootstrap script in a shell script, and reads its arguments. It tells whether
// there was one. The script is parsed and not run: variables and commands in arguments count as empty.
func (b *Bootstrap) readScript(script []byte) (bool, error) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(script), "user data")
	if err != nil {
		return false, fmt.Errorf("parsing the shell script in the user data: %w", err)
	}
	var args []string
	var found bool
	syntax.Walk(file, func(node syntax.Node) bool {
		call, ok := node.(*syntax.CallExpr)
		if !ok || found || err != nil || len(call.Args) == 0 {
			return err == nil
		}
		var words []string
		if words, err = expandWords(call.Args); err == nil && len(words) > 0 && words[0] == bootstrapScript {
			found, args = true, words[1:]
		}
		return err == nil
	})
	if err != nil || !found {
		return false, err
	}
	return true, b.readBootstrapArgs(args)
}

// expandWords makes plain strings of shell words.
func expandWords(words []*syntax.Word) ([]string, error) {
	cfg := &expand.Config{
		CmdSubst:  func(io.Writer, *syntax.CmdSubst) error { return nil },
		ProcSubst: func(*syntax.ProcSubst) (string, error) { return "", nil },
	}
	fields, err := expand.Fields(cfg, words...)
	if err != nil {
		return nil, fmt.Errorf("expanding a command in the user data: %w", err)
	}
	return fields, nil
}

// splitWords splits a line as a shell does.
func splitWords(line string) ([]string, error) {
	var words []*syntax.Word
	for w, err := range syntax.NewParser().WordsSeq(strings.NewReader(line)) {
		if err != nil {
			return nil, fmt.Errorf("splitting %q: %w", line, err)
		}
		words = append(words, w)
	}
	return expandWords(words)
}

// readBootstrapArgs reads the arguments of the bootstrap script: the cluster's name and options that all take a value.
func (b *Bootstrap) readBootstrapArgs(args []string) error {
	for i := 0; i < len(args); i++ {
		option := args[i]
		if !strings.HasPrefix(option, "--") {
			b.ClusterName = option
			continue
		}
		i++
		if i == len(args) {
			return fmt.Errorf("option %s of %s has no value", option, bootstrapScript)
		}
		switch option {
		case "--use-max-pods":
			b.KubeletDefaultPods = args[i] == "false"
		case "--kubelet-extra-args":
			flags, err := splitWords(args[i])
			if err != nil {
				return err
			}
			if err := b.readKubeletFlags(flags); err != nil {
				return err
			}
		}
	}
	return nil
}

// readKubeletFlags reads the kubelet flags that make a difference to the Node, as --flag=value or --flag value.
func (b *Bootstrap) readKubeletFlags(flags []string) error {
	for i := 0; i < len(flags); i++ {
		name, value, ok := strings.Cut(flags[i], "=")
		if !ok && i+1 < len(flags) && !strings.HasPrefix(flags[i+1], "--") {
			i++
			value = flags[i]
		}
		if err := b.readKubeletFlag(name, value); err != nil {
			return fmt.Errorf("reading the kubelet flag %s: %w", name, err)
		}
	}
	return nil
}

func (b *Bootstrap) readKubeletFlag(name, value string) (err error) {
	switch name {
	case "--node-labels":
		labels, err := parseLabels(value)
		if err != nil {
			return err
		}
		b.addLabels(labels)
	case "--register-with-taints":
		b.Taints, err = parseTaints(value)
	case "--max-pods":
		b.MaxPods, err = strconv.Atoi(value)
	case "--pods-per-core":
		b.PodsPerCore, err = strconv.Atoi(value)
	case "--kube-reserved":
		b.KubeReserved, err = parseQuantities(value, "=")
	case "--system-reserved":
		b.SystemReserved, err = parseQuantities(value, "=")
	case "--eviction-hard":
		b.EvictionHard, err = parseQuantities(value, "<")
	}
	return err
}
