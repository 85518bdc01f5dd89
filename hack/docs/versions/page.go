package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/catalog"
)

const head = `# Versions of Karpenter

Generated from the version catalogue (internal/catalog/data) by ` + "`make manifests`" + `: what the operator knows of each release, and where
it knows it from. How ways are made of it: [paths](../concepts/paths.md).

In the sources, P is the repository of the AWS provider (github.com/aws/karpenter-provider-aws) and C that of the core
(github.com/kubernetes-sigs/karpenter), UG the provider's upgrade guide, CM its compatibility matrix, V1B and V1M its guides to v1beta1
and v1, and CFN the CloudFormation template of its getting started guide.

## Adding rows

A ConfigMap in the operator's namespace with the label ` + "`karpenter-upgrade.dev/catalog: \"true\"`" + ` adds rows, or changes fields of those that
are here. Preflight reads it each time. What a row leaves out of ` + "`state`" + ` is as in the minor before it. A minor that is here already is
changed by the rules of a JSON merge patch: objects are merged, lists replaced, null removes.

` + "```yaml" + `
apiVersion: v1
kind: ConfigMap
metadata:
  name: karpenter-1-15
  namespace: karpenter-upgrade-operator
  labels: {karpenter-upgrade.dev/catalog: "true"}
data:
  versions.yaml: |
    minors:
    - minor: "1.15"
      patch: 0
      source: [upgrade guide of 1.15]
      state:
        kubernetes: {min: "1.27", max: "1.37"}
      bad: []            # - {patch: 0, why: it crashes}
      requires: []       # what must be so before its controller starts
      breaks: []
      iam: {add: ["ec2:DescribeSomething"]}
    - minor: "1.14"
      patch: 2
` + "```" + `

A document with an error is refused whole. What its ConfigMap said before holds, as long as the operator's process runs, and
Preflight reports ` + "`CatalogConfigMapInvalid`" + ` with row, field and fix. Several ConfigMaps are read in the order of their names.

A target of a newer minor than all rows is planned by what holds for the newest one, with the warning ` + "`TargetVersionNotInCatalog`" + `.

Fields of a row: ` + "`minor`, `patch` (the newest), `source`, `state`, `exceptions` (`{from: PATCH, state, source}`), `bad` (`{patch, why}`), `requires`, `breaks`, `drift`, `loses`, `iam` (`add`, `remove`, `notes`), `metrics`, `names`, `values` (`{what, from, to}`)" + `.
Fields of a state: ` + "`kubernetes` (`min`, `max`), `kinds` (`CRD: {served, stored}`), `enter` (`oldest`, `why`), `chart` (`repository`, `prefix`), `metricsPort`, `webhooks` (`default`, `switch`, `conversion`, `admission`), `hashes` (`nodePool`, `nodeClass`), `rewritesStored`, `rollback` (a constraint on versions)" + `.

## At a glance

| minor | newest | Kubernetes | entered from | NodePools, or Provisioners: served, **stored** | can be taken back to |
|---|---|---|---|---|---|
`

// page is docs/reference/versions.md.
func page(c *catalog.Catalog) string {
	var b strings.Builder
	b.WriteString(head)
	for _, row := range c.Rows() {
		state := row.At(row.Patch)
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s to %s | %s | %s | %s |\n", row.Minor, strings.ReplaceAll(row.Minor, ".", ""), row.Latest(),
			state.Kubernetes.Min, state.Kubernetes.Max, state.Enter.Oldest, versions(state), targets(c, row.Latest()))
	}
	b.WriteString("\n## Each minor\n")
	for _, row := range c.Rows() {
		section(&b, &row)
	}
	return b.String()
}

func versions(s catalog.State) string {
	var out []string
	for _, crd := range []string{"provisioners.karpenter.sh", "nodepools.karpenter.sh"} {
		k, has := s.Kinds[crd]
		if !has {
			continue
		}
		for _, v := range k.Served {
			if v == k.Stored {
				v = "**" + v + "**"
			}
			out = append(out, v)
		}
	}
	return strings.Join(out, ", ")
}

func targets(c *catalog.Catalog, v *semver.Version) string {
	back := c.RollbackTargets(v)
	out := make([]string, 0, len(back))
	for _, t := range back {
		out = append(out, t.String())
	}
	switch {
	case len(out) == 0:
		return "none"
	case len(out) > 3:
		return fmt.Sprintf("%s … %s", strings.Join(out[:2], ", "), out[len(out)-1])
	}
	return strings.Join(out, ", ")
}

func section(b *strings.Builder, row *catalog.Row) {
	fmt.Fprintf(b, "\n### %s\n\n", row.Minor)
	facts(b, row.State)
	for _, e := range row.Exceptions {
		fmt.Fprintf(b, "* from %s.%d on (%s): %s\n", row.Minor, e.From, strings.Join(e.Source, ", "), difference(row.At(e.From-1), row.At(e.From)))
	}
	for _, bad := range row.Bad {
		fmt.Fprintf(b, "* **not %s.%d**: %s\n", row.Minor, bad.Patch, bad.Why)
	}
	list(b, "before its controller starts", row.Requires)
	list(b, "breaks", row.Breaks)
	list(b, "drift", row.Drift)
	list(b, "going back", row.Loses)
	list(b, "AWS, new", code(row.IAM.Add))
	list(b, "AWS, no longer", code(row.IAM.Remove))
	list(b, "AWS", row.IAM.Notes)
	list(b, "names", renames(row.Names))
	list(b, "metrics", renames(row.Metrics))
	list(b, "chart values", renames(row.Values))
	fmt.Fprintf(b, "* sources: %s\n", strings.Join(row.Source, ", "))
}

// facts are those of a state that the table has no room for.
func facts(b *strings.Builder, s catalog.State) {
	for _, crd := range slices.Sorted(maps.Keys(s.Kinds)) {
		k := s.Kinds[crd]
		fmt.Fprintf(b, "* `%s`: serves %s, stores %s\n", crd, strings.Join(k.Served, ", "), k.Stored)
	}
	fmt.Fprintf(b, "* chart `%s/karpenter`, version `%sX.Y.Z`; metrics at port %d; %s; hashes: %s\n",
		s.Chart.Repository, s.Chart.Prefix, s.MetricsPort, webhooks(s.Webhooks), hashes(s.Hashes))
}

func webhooks(w catalog.Webhooks) string {
	var has []string
	if len(w.Admission) > 0 {
		has = append(has, fmt.Sprintf("%d of admission", len(w.Admission)))
	}
	if w.Conversion {
		has = append(has, "conversion")
	}
	if len(has) == 0 {
		return "no webhooks"
	}
	on := "off by default"
	if w.Default {
		on = "on by default"
	}
	return fmt.Sprintf("webhooks (%s), %s", strings.Join(has, ", "), on)
}

func hashes(h catalog.Hashes) string {
	if h == (catalog.Hashes{}) {
		return "without versions"
	}
	return fmt.Sprintf("NodePool %s, EC2NodeClass %s", h.NodePool, h.NodeClass)
}

// difference says what a patch release has otherwise than the one before it.
func difference(before, after catalog.State) string {
	var out []string
	add := func(changed bool, format string, args ...any) {
		if changed {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(before.Kubernetes != after.Kubernetes, "Kubernetes %s to %s", after.Kubernetes.Min, after.Kubernetes.Max)
	add(versions(before) != versions(after), "serves %s", versions(after))
	add(webhooks(before.Webhooks) != webhooks(after.Webhooks), "%s", webhooks(after.Webhooks))
	add(before.Hashes != after.Hashes, "hashes: %s", hashes(after.Hashes))
	add(before.RewritesStored != after.RewritesStored, "rewrites stored objects by itself")
	return strings.Join(out, "; ")
}

func list(b *strings.Builder, what string, items []string) {
	if len(items) > 0 {
		fmt.Fprintf(b, "* %s: %s\n", what, strings.Join(items, "; "))
	}
}

func code(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, "`"+s+"`")
	}
	return out
}

func renames(in []catalog.Rename) []string {
	out := make([]string, 0, len(in))
	for _, n := range in {
		text := strings.TrimSpace(n.What + " `" + n.From + "`")
		if n.To == "" {
			out = append(out, text+" is gone")
		} else {
			out = append(out, text+" → `"+n.To+"`")
		}
	}
	return out
}
