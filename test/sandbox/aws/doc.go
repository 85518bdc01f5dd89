// Package aws is an emulator of the AWS calls that Karpenter (v0.36.2, v1.0.8 and v1.14.1) and our own operator make.
// It speaks the wire protocols of EC2, EKS, IAM, STS, SSM, SQS, Pricing and ARC zonal shift over HTTP and HTTPS, so
// that the unmodified SDKs, version 1 and 2, are its clients.
//
// It is the only fake in the proving ground and keeps to three rules. What it does not know (an action, a parameter, a
// filter, a value) is refused with the error that AWS has for it, in the shape of the protocol, and never answered with
// a silent success. What it does know behaves as in AWS: tags, filters, pages, dry runs, client tokens, states that
// take time, addresses that run out. What only AWS can do (capacity that is gone, throttling, a denied call, a new AMI,
// a reclaimed instance) is done on demand through the control API of package control.
//
// # How a client reaches it
//
// SDK version 2 takes AWS_ENDPOINT_URL=http://address. SDK version 1 has no such setting: give it
// HTTPS_PROXY=http://address and AWS_CA_BUNDLE with the certificate of Config.CA; the emulator answers CONNECT for
// AWS hosts, terminates TLS there, and refuses CONNECT to any other host. One listener serves both, and the control
// API under /_emulator.
//
// Signatures are not verified. The access key id is the principal: it appears in the request log, and faults can be
// aimed at it. Config.Pod may map it to a pod. Sessions of AssumeRoleWithWebIdentity map to the pod in the token.
//
// # What it does not do
//
// IAM policies are not enforced on calls (inject a fault with the code UnauthorizedOperation; SimulatePrincipalPolicy
// does weigh a role's statements, without conditions). Reads are consistent at once. There is one region, and in it
// what the seed names: see Seed, and DefaultSeed for a commented example. Capacity reservations and placement groups
// can be listed, and there are none. Instances have one network interface with one private IPv4 address: no public
// addresses, prefixes, IPv6 or EFA. Volumes have no size that matters. Tokens of web identities are read and not
// verified. State changes put no events into the queue: a test does. State lives in memory.
package aws
