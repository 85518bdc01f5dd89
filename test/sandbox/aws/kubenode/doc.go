// Package kubenode makes Kubernetes nodes of the AWS emulator's instances: it does what an instance, its kubelet and
// the AWS cloud controller manager do together.
//
// When an instance boots, its user data is read as the software on the AMI would read it (the bootstrap script of
// Amazon Linux 2, the NodeConfig documents of Amazon Linux 2023, the settings of Bottlerocket), and a Node is
// registered with the labels, taints and limits found there and with what the instance type gives. The Node carries
// the annotation kwok.x-k8s.io/node: fake, so that KWOK plays its kubelet from then on. When the instance is
// terminated the Node is deleted, if nobody has done so, after the time that the cloud controller manager takes.
package kubenode
