package requests

import (
	"context"
	"fmt"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Names of clients in reports.
const (
	// Operator is the operator under observation.
	Operator = "operator"
	// Karpenter is all releases of Karpenter: they may share one ServiceAccount.
	Karpenter = "karpenter"
	// KubeSystem are the controllers, the scheduler, and the ServiceAccounts of kube-system.
	KubeSystem = "kube-system"
	// Nodes are kubelets that identify themselves as such.
	Nodes = "nodes"
	// Privileged is the group system:masters.
	Privileged = "system:masters"
	// Others are all that is none of these.
	Others = "others"
)

// AllAccounts stands for all ServiceAccounts of a namespace.
const AllAccounts = "*"

// Account is a ServiceAccount, or all of a namespace.
type Account struct{ Namespace, Name string }

// prefix of the FlowSchemas of this package.
const prefix = "observer-"

// managedBy marks the FlowSchemas of this package.
var managedBy = map[string]string{"app.kubernetes.io/managed-by": "karpenter-upgrade-observer"}

// builtIn are FlowSchemas of every API server, by the client whose requests fall under them
// (k8s.io/apiserver pkg/apis/flowcontrol/bootstrap/default.go).
var builtIn = map[string]string{
	"exempt":                       Privileged,
	"probes":                       Others,
	"system-leader-election":       KubeSystem,
	"workload-leader-election":     KubeSystem,
	"endpoint-controller":          KubeSystem,
	"kube-controller-manager":      KubeSystem,
	"kube-scheduler":               KubeSystem,
	"kube-system-service-accounts": KubeSystem,
	"system-nodes":                 Nodes,
	"system-node-high":             Nodes,
}

// clientOf names the client whose requests fall under a FlowSchema.
func clientOf(flowSchema string) string {
	switch flowSchema {
	case prefix + Operator:
		return Operator
	case prefix + Karpenter:
		return Karpenter
	}
	if client, ok := builtIn[flowSchema]; ok {
		return client
	}
	return Others
}

// schema is the FlowSchema of a client: just before that of all ServiceAccounts, or of those of kube-system, and to their
// priority level (bootstrap/default.go again: service-accounts has 9000, kube-system-service-accounts 900).
func schema(client string, account Account) *flowcontrolv1.FlowSchema {
	level, precedence := "workload-low", int32(8999)
	if account.Namespace == metav1.NamespaceSystem {
		level, precedence = "workload-high", 899
	}
	return &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: prefix + client, Labels: managedBy},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: level},
			MatchingPrecedence:         precedence,
			DistinguisherMethod:        &flowcontrolv1.FlowDistinguisherMethod{Type: flowcontrolv1.FlowDistinguisherMethodByUserType},
			Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
				Subjects: []flowcontrolv1.Subject{{
					Kind:           flowcontrolv1.SubjectKindServiceAccount,
					ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: account.Namespace, Name: account.Name},
				}},
				ResourceRules: []flowcontrolv1.ResourcePolicyRule{{
					Verbs: []string{flowcontrolv1.VerbAll}, APIGroups: []string{flowcontrolv1.APIGroupAll}, Resources: []string{flowcontrolv1.ResourceAll},
					ClusterScope: true, Namespaces: []string{flowcontrolv1.NamespaceEvery},
				}},
				NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{flowcontrolv1.VerbAll}, NonResourceURLs: []string{flowcontrolv1.NonResourceAll}}},
			}},
		},
	}
}

// Install makes the FlowSchemas by which the operator's and Karpenter's requests are counted; those of an earlier
// observation are put right. All ServiceAccounts of kube-system cannot be one client: the control plane's are among them.
func Install(ctx context.Context, client kubernetes.Interface, accounts map[string]Account) error {
	schemas := client.FlowcontrolV1().FlowSchemas()
	for name, account := range accounts {
		if account.Namespace == metav1.NamespaceSystem && account.Name == AllAccounts {
			return fmt.Errorf("counting the requests of %s: name its ServiceAccount, for others of kube-system are not its own", name)
		}
		want := schema(name, account)
		_, err := schemas.Create(ctx, want, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			var current *flowcontrolv1.FlowSchema
			if current, err = schemas.Get(ctx, want.Name, metav1.GetOptions{}); err == nil {
				want.ResourceVersion = current.ResourceVersion
				_, err = schemas.Update(ctx, want, metav1.UpdateOptions{})
			}
		}
		if err != nil {
			return fmt.Errorf("making FlowSchema %s: %w", want.Name, err)
		}
	}
	return nil
}

// Remove removes the FlowSchemas that Install made.
func Remove(ctx context.Context, client kubernetes.Interface, accounts map[string]Account) error {
	for name := range accounts {
		err := client.FlowcontrolV1().FlowSchemas().Delete(ctx, prefix+name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("removing FlowSchema %s: %w", prefix+name, err)
		}
	}
	return nil
}
