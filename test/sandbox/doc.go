// Package sandbox starts and drives sandboxes: real Kubernetes clusters with real Karpenter controllers on one Linux
// machine, without a container engine, a cloud or root.
//
//	sb, err := sandbox.Up(ctx, sandbox.Options{Name: "mine", Progress: os.Stderr})
//	defer sb.Down(context.WithoutCancel(ctx))
//	err = sb.InstallKarpenter(ctx, sandbox.Karpenter{Version: "1.0.8"})
//	client, err := kubernetes.NewForConfig(sb.RESTConfig())
//
// The control plane is etcd, kube-apiserver, kube-controller-manager and kube-scheduler as upstream builds them. Pods
// on the four host nodes, which are Karpenter's and the operator's, run as local processes; instances that Karpenter
// launches are nodes that KWOK plays; AWS is an emulator. docs/development/sandbox.md has the whole picture.
//
// What a sandbox needs is built from Go modules at the first [Up], which takes minutes, and found in the user's cache
// directory from then on. Sandboxes do not see one another; any number may run side by side. Unless it is detached, a
// sandbox ends with the process that started it, however that ends.
package sandbox
