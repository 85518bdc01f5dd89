package kubenode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
)

// Bootstrap is what user data tells a node about joining a cluster.
type Bootstrap struct {
	// ClusterName is the cluster to join, empty where the user data does not say.
	ClusterName string
	// Labels and Taints are what the kubelet registers with.
	Labels map[string]string
	Taints []corev1.Taint
	// MaxPods and PodsPerCore limit the pods; 0 leaves the AMI's default.
	MaxPods, PodsPerCore int
	// KubeletDefaultPods says that the AMI's limit by network interfaces is off, so that without MaxPods the kubelet's
	// own default of 110 holds.
	KubeletDefaultPods bool
	// KubeReserved, SystemReserved and EvictionHard are quantities by resource or signal.
	KubeReserved, SystemReserved, EvictionHard map[string]string
}

// errNoBootstrap means that nothing in the user data makes the software on the AMI join a cluster.
var errNoBootstrap = errors.New("nothing in the user data makes a node of this AMI join a cluster")

// DecodeUserData reads user data as the software on an AMI of the family does: Amazon Linux 2 runs the shell scripts
// and joins by /etc/eks/bootstrap.sh, Amazon Linux 2023 reads NodeConfig documents, Bottlerocket its settings. The
// image of a custom family may do any of these, or joins by itself without labels and taints.
func DecodeUserData(family aws.ImageFamily, userData []byte) (Bootstrap, error) {
	var b Bootstrap
	if family == aws.Bottlerocket || family == aws.CustomFamily && looksLikeSettings(userData) {
		err := b.readSettings(userData)
		return b, err
	}
	parts, err := split(userData)
	if err != nil {
		return Bootstrap{}, err
	}
	joined := family == aws.CustomFamily
	for _, p := range parts {
		found, err := b.readPart(family, p)
		if err != nil {
			return Bootstrap{}, err
		}
		joined = joined || found
	}
	if !joined {
		return Bootstrap{}, errNoBootstrap
	}
	return b, nil
}

// readPart reads a document of user data, and tells whether it makes a node of the family join.
func (b *Bootstrap) readPart(family aws.ImageFamily, p part) (bool, error) {
	switch {
	case p.kind == nodeConfigType && family != aws.AL2:
		return true, b.readNodeConfig(p.content)
	case p.kind == shellType && family != aws.AL2023:
		return b.readScript(p.content)
	default:
		return false, nil
	}
}

// The media types of the parts of user data that matter.
const (
	nodeConfigType = "application/node.eks.aws"
	shellType      = "text/x-shellscript"
)

// part is one document of user data.
type part struct {
	kind    string
	content []byte
}

// split takes a MIME archive apart. User data that is none is a single part.
func split(userData []byte) ([]part, error) {
	text := bytes.TrimSpace(userData)
	if !bytes.HasPrefix(text, []byte("MIME-Version:")) && !bytes.HasPrefix(text, []byte("Content-Type:")) {
		return []part{{kind: guessType(text), content: userData}}, nil
	}
	message, err := mail.ReadMessage(bytes.NewReader(append(text, '\n')))
	if err != nil {
		return nil, fmt.Errorf("reading the user data as a MIME archive: %w", err)
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("reading the content type of the user data: %w", err)
	}
	var parts []part
	archive := multipart.NewReader(message.Body, params["boundary"])
	for {
		p, err := archive.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the parts of the user data: %w", err)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("reading a part of the user data: %w", err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts = append(parts, part{kind: kind, content: content})
	}
}

// guessType tells scripts and NodeConfig documents from what is neither, by the marks that cloud-init and nodeadm go by.
func guessType(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte("#!")):
		return shellType
	case bytes.Contains(text, []byte("kind: NodeConfig")):
		return nodeConfigType
	default:
		return ""
	}
}

// addLabels adds labels, the later ones winning.
func (b *Bootstrap) addLabels(labels map[string]string) {
	if b.Labels == nil {
		b.Labels = map[string]string{}
	}
	maps.Copy(b.Labels, labels)
}

// parseLabels reads a=b,c=d.
func parseLabels(s string) (map[string]string, error) {
	labels := map[string]string{}
	for _, pair := range strings.Split(s, ",") {
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("label %q: need key=value", pair)
		}
		labels[key] = value
	}
	return labels, nil
}

// parseTaints reads a=b:NoSchedule,c:NoExecute.
func parseTaints(s string) ([]corev1.Taint, error) {
	var taints []corev1.Taint
	for _, item := range strings.Split(s, ",") {
		if item == "" {
			continue
		}
		left, effect, ok := strings.Cut(item, ":")
		key, value, _ := strings.Cut(left, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("taint %q: need key=value:effect", item)
		}
		switch e := corev1.TaintEffect(effect); e {
		case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
			taints = append(taints, corev1.Taint{Key: key, Value: value, Effect: e})
		default:
			return nil, fmt.Errorf("taint %q: no such effect", item)
		}
	}
	return taints, nil
}

// parseQuantities reads a=1Gi,b=2 with the given separator between name and quantity.
func parseQuantities(s, separator string) (map[string]string, error) {
	out := map[string]string{}
	for _, item := range strings.Split(s, ",") {
		if item == "" {
			continue
		}
		name, quantity, ok := strings.Cut(item, separator)
		if !ok {
			return nil, fmt.Errorf("quantity %q: need name%squantity", item, separator)
		}
		out[name] = quantity
	}
	return out, nil
}
