package convert

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// nodeadmURL is where NodeConfig is described.
const nodeadmURL = "https://awslabs.github.io/amazon-eks-ami/nodeadm/"

// onlyAL2 is what user data may use that AL2023 does not have, or has elsewhere.
var onlyAL2 = []struct {
	found    *regexp.Regexp
	why, fix string
}{
	{regexp.MustCompile(`amazon-linux-extras`), "AL2023 has no amazon-linux-extras", "install the packages with dnf"},
	{regexp.MustCompile(`/etc/kubernetes/kubelet/kubelet-config\.json`), "on AL2023 nodeadm writes the kubelet's configuration, to another place, after the user data has run",
		"set spec.kubelet of the EC2NodeClass, or spec.kubelet.config in a NodeConfig (" + nodeadmURL + ")"},
	{regexp.MustCompile(`KUBELET_EXTRA_ARGS|kubelet\.service\.d|/etc/sysconfig/kubelet`), "AL2023 does not read the kubelet's flags from there",
		"write spec.kubelet.flags in a NodeConfig (" + nodeadmURL + ")"},
	{regexp.MustCompile(`/etc/containerd/config\.toml|/etc/eks/containerd`), "on AL2023 nodeadm writes containerd's configuration, after the user data has run",
		"write spec.containerd.config in a NodeConfig (" + nodeadmURL + ")"},
	{regexp.MustCompile(`\bdockerd?\b|/etc/docker`), "AL2023's images have no Docker", "use containerd (nerdctl, ctr), or install Docker with dnf"},
	{regexp.MustCompile(`\bpython2(\.7)?\b`), "AL2023 has no Python 2", "use python3"},
}

// checkUserData reports what in user data for AL2 will not work on AL2023, and returns it as AL2023 has to have it. Karpenter takes
// user data that is no MIME archive for a NodeConfig if it can be read as YAML, and for a shell script otherwise
// (karpenter-provider-aws pkg/providers/amifamily/bootstrap/nodeadm.go), so a script that is both is put into an archive.
func (s *section) checkUserData(userData string) string {
	if strings.TrimSpace(userData) == "" {
		return userData
	}
	text := userData
	if isArchive(userData) {
		parts, err := s.archived(userData)
		if err != nil {
			s.r.lose(Blocker, s.at("userData"), "Karpenter can launch no node with it, on either family: "+err.Error(), "correct it, or remove it")
			return userData
		}
		text = strings.Join(parts, "\n")
	} else if err := yaml.Unmarshal([]byte(userData), &map[string]any{}); err == nil {
		userData = archive(userData)
	}
	for _, call := range bootstrapCalls(text) {
		s.r.lose(Blocker, s.at("userData"), "it calls /etc/eks/bootstrap.sh, which AL2023 does not have",
			"remove the call, which Karpenter makes by itself on either family"+instead(call))
	}
	if rest := bootstrapCall.ReplaceAllString(text, ""); strings.Contains(rest, bootstrapScript) {
		s.r.lose(Blocker, s.at("userData"), "it changes or reads "+bootstrapScript+", which AL2023 does not have", "do it in a NodeConfig ("+nodeadmURL+")")
	}
	for _, o := range onlyAL2 {
		if what := o.found.FindString(text); what != "" {
			s.r.lose(Warning, s.at("userData"), fmt.Sprintf("it says %q: %s", what, o.why), o.fix)
		}
	}
	return userData
}

func isArchive(userData string) bool {
	start := strings.TrimSpace(userData)
	return strings.HasPrefix(start, "MIME-Version:") || strings.HasPrefix(start, "Content-Type:")
}

// archived are the parts of a MIME archive. For AL2023 Karpenter keeps of a part's headers nothing but the Content-Type
// (pkg/providers/amifamily/bootstrap/mime/mime.go), for AL2 all of them.
func (s *section) archived(userData string) ([]string, error) {
	message, err := mail.ReadMessage(strings.NewReader(strings.TrimLeft(userData, " \t\r\n")))
	if err != nil {
		return nil, fmt.Errorf("it looks like a MIME archive and cannot be read: %w", err)
	}
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, errors.New("it is MIME, and not multipart, which Karpenter refuses")
	}
	var parts []string
	reader := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading part %d of the MIME archive: %w", len(parts)+1, err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("reading part %d of the MIME archive: %w", len(parts)+1, err)
		}
		parts = append(parts, string(content))
		s.checkHeaders(len(parts), part.Header)
	}
}

func (s *section) checkHeaders(n int, headers map[string][]string) {
	for _, name := range sortedKeys(headers) {
		value := strings.ToLower(strings.Join(headers[name], ", "))
		switch name {
		case "Content-Type", "Mime-Version", "Content-Disposition":
		case "Content-Transfer-Encoding":
			if !slices.Contains([]string{"7bit", "8bit", "binary", "quoted-printable"}, value) {
				s.r.lose(Blocker, s.at("userData"), fmt.Sprintf("part %d of the MIME archive is encoded as %s, and for AL2023 Karpenter drops the header that says so", n, value),
					"write the part as plain text")
			}
		default:
			s.r.lose(Warning, s.at("userData"), fmt.Sprintf("part %d of the MIME archive has the header %s, which Karpenter drops for AL2023", n, name), "do without it")
		}
	}
}

// archive is a MIME archive of one shell script.
func archive(script string) string {
	return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\nContent-Type: text/x-shellscript; charset=\"us-ascii\"\n\n" +
		strings.TrimRight(script, "\n") + "\n\n--//--\n"
}

const bootstrapScript = "/etc/eks/bootstrap.sh"

// bootstrapCall is a line, with those that it is continued on, that begins with a call of the bootstrap script.
var bootstrapCall = regexp.MustCompile(`(?m)^[ \t]*(?:(?:sudo|exec|bash|sh|source|\.)[ \t]+)?/etc/eks/bootstrap\.sh(?:[^\n\\]|\\.|\\\n)*`)

// bootstrapCalls are the calls of the bootstrap script in a shell script, each on one line.
func bootstrapCalls(text string) []string {
	calls := bootstrapCall.FindAllString(text, -1)
	out := make([]string, 0, len(calls))
	for _, call := range calls {
		out = append(out, strings.Join(strings.Fields(strings.ReplaceAll(call, "\\\n", " ")), " "))
	}
	return out
}

var (
	extraArgs = regexp.MustCompile(`--kubelet-extra-args[ =]+(?:'([^']*)'|"([^"]*)"|(\S+))`)
	dnsIP     = regexp.MustCompile(`--dns-cluster-ip[ =]+['"]?([0-9a-fA-F.:]+)`)
)

// instead says what does on AL2023 what the arguments of a call did.
func instead(call string) string {
	kubelet := map[string]any{}
	if m := extraArgs.FindStringSubmatch(call); m != nil {
		given := strings.Fields(m[1] + m[2] + m[3])
		flags := make([]any, 0, len(given))
		for _, flag := range given {
			flags = append(flags, flag)
		}
		put(kubelet, "flags", flags)
	}
	if m := dnsIP.FindStringSubmatch(call); m != nil {
		kubelet["config"] = map[string]any{"clusterDNS": []any{m[1]}}
	}
	if len(kubelet) == 0 {
		return ""
	}
	doc, err := yaml.Marshal(map[string]any{"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": map[string]any{"kubelet": kubelet}})
	if err != nil {
		return ""
	}
	return "; for its arguments, labels and taints belong into the NodePool, clusterDNS and maxPods into spec.kubelet, and what is left into a MIME part " +
		"of Content-Type application/node.eks.aws:\n" + string(doc)
}
