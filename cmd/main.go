// Command karpenter-upgrade-operator upgrades Karpenter, and the nodes it owns, as KarpenterUpgrade objects ask for.
package main

import (
	"flag"
	"fmt"
	"os"

	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/manager"
)

// version is set when the binary is built.
var version = "dev"

func main() {
	opts := manager.Options{Version: version, Namespace: os.Getenv("POD_NAMESPACE")}
	opts.AddFlags(flag.CommandLine)
	logging := zap.Options{TimeEncoder: zapcore.RFC3339NanoTimeEncoder}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))

	if err := manager.Run(ctrl.SetupSignalHandler(), opts); err != nil {
		fmt.Fprintln(os.Stderr, "karpenter-upgrade-operator:", err)
		os.Exit(1)
	}
}
