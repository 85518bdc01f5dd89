// Package convert turns Karpenter's old objects into new ones: Provisioner and AWSNodeTemplate into v1beta1, v1beta1 into v1,
// kubelet settings out of NodePools into EC2NodeClasses, AL2 into AL2023. It is pure: unstructured in, unstructured out, the input
// is not changed.
//
// Every field of the input is either carried over or named in a [Loss]: the readers take fields out of a copy, and what is left
// at the end is reported. An input that is not of the kind it should be, or of which a field has the wrong type, is an error.
//
// # How NodePoolToV1 and EC2NodeClassToV1 relate to Karpenter's own conversion webhook
//
// For objects as an API server serves them as v1beta1 the results equal what the webhook of 1.0.8 answers (sigs.k8s.io/karpenter
// v1.0.5 pkg/apis/v1/nodepool_conversion.go, karpenter-provider-aws v1.0.8 pkg/apis/v1/ec2nodeclass_conversion.go): the same spec,
// quantities and durations spelled the same, the same metadata, the same compatibility annotations byte for byte. test/e2e/convert
// compares the two. They differ in three respects, none of which can be seen in an object that an API server has stored:
//   - what v1beta1's schema would have filled in is filled in first (disruption, metadataOptions), so that a manifest means after
//     the conversion what it meant before; the webhook only ever sees objects in which that has been done;
//   - a status without content is left out, where the webhook writes {};
//   - fields that v1beta1 does not know are reported, where the webhook drops them.
package convert
