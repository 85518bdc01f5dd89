package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/snapshot"
)

func (p *program) snapshot() *cobra.Command {
	parent := &cobra.Command{Use: "snapshot", Short: "Save what a plan is made of"}
	w := &wish{}
	save := &cobra.Command{
		Use:   "save FILE --to VERSION",
		Short: "Save what was seen of a cluster, without secrets, to plan on it elsewhere",
		Long: `Reads the cluster as plan does and saves what was seen, for plan --from-file, for one upgrade.
Taken out are: all texts in Helm values but the names that plans need, data of Secrets and
ConfigMaps, rendered manifests, user data of EC2NodeClasses and values of environment variables.
What stays names your cluster: objects, labels, versions, ARNs. Look at it before you give it away:
  gzip -dc FILE | jq .`,
		Example: "  kubectl karpenter-upgrade snapshot save cluster.snapshot.gz --to 1.14.1",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.save(cmd.Context(), w, args[0]) },
	}
	w.addFlags(save.Flags())
	parent.AddCommand(save)
	return parent
}

func (p *program) save(ctx context.Context, w *wish, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	spec, err := w.spec(p.In)
	if err != nil {
		return err
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	s, err := c.take(ctx, spec)
	if err != nil {
		return err
	}
	if _, s.CatalogProblems, err = c.catalogs.Catalog(ctx); err != nil {
		return err
	}
	if err := write(name, func(f *os.File) error { return snapshot.Save(f, spec, s) }); err != nil {
		return err
	}
	for _, problem := range s.Problems {
		fmt.Fprintf(p.ErrOut, "not read: %s: %s\n", problem.What, problem.Error)
	}
	fmt.Fprintf(p.Out, "%s: %d nodes, %d NodePools, %d problems in reading; plan on it with --from-file %[1]s\n", name, len(s.Nodes), len(s.NodePools), len(s.Problems))
	return nil
}

// write replaces a file whole: what was there stays until all is written.
func write(name string, content func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := content(f); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
