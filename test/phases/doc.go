// Package phases tests the phases of a run one by one against a real kube-apiserver, with Karpenter's own CRDs and charts, real
// Helm, and AWS's wire protocols: each phase's Run, Undo, Keep and Release, what they come to when the operator is killed
// between two writes, and that what others did before a run stays.
//
// There are no controllers: the tests play them. They say "a pod of this release is Ready and holds the Lease" or "this node
// belongs to that NodePool" by writing what the controller would have written.
package phases
