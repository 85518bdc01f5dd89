package aws

import (
	"crypto/tls"
	"io"
	"log/slog"
	"time"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

type (
	// Seed is what the account has at the start; its YAML form is what a seed file contains.
	Seed = world.Seed
	// Zone is an availability zone of a Seed.
	Zone = world.Zone
	// VPC is the network of a Seed.
	VPC = world.VPC
	// Cluster is the EKS cluster of a Seed.
	Cluster = world.Cluster
	// Subnet is a subnet of a Seed.
	Subnet = world.Subnet
	// SecurityGroup is a security group of a Seed.
	SecurityGroup = world.SecurityGroup
	// NodeGroup is a managed node group of a Seed.
	NodeGroup = world.NodeGroup
	// Images says which AMIs a Seed publishes.
	Images = world.Images
	// Role is an IAM role of a Seed.
	Role = world.Role
	// Statement is a policy statement of a Role.
	Statement = world.Statement
	// Booter makes cluster nodes of instances. Package kubenode has one.
	Booter = world.Booter
	// Instance is what a Booter is given.
	Instance = world.Instance
	// InstanceType is the type of an Instance.
	InstanceType = world.InstanceType
	// Image is the AMI of an Instance.
	Image = world.Image
	// ProfileRef is the instance profile of an Instance.
	ProfileRef = world.ProfileRef
	// ImageFamily is the kind of operating system of an Image.
	ImageFamily = world.ImageFamily
)

// The families of images.
const (
	AL2          = world.AL2
	AL2023       = world.AL2023
	Bottlerocket = world.Bottlerocket
	CustomFamily = world.CustomFamily
)

// DefaultSeed returns a fresh copy of the embedded seed.
func DefaultSeed() (*Seed, error) { return world.DefaultSeed() }

// ParseSeed reads a seed from YAML or JSON; unknown fields and impossible values are errors.
func ParseSeed(raw []byte) (*Seed, error) { return world.ParseSeed(raw) }

// DefaultSettings are the settings that Config leaves unset: see control.Settings for their meaning.
func DefaultSettings() control.Settings { return world.DefaultSettings() }

// Config is what a Server is made of. The zero value works.
type Config struct {
	// Seed is what the account has at the start; nil takes DefaultSeed.
	Seed *Seed
	// Settings are the settings at the start; nil takes DefaultSettings.
	Settings *control.Settings
	// Booter makes cluster nodes of instances; without one, instances run and no node appears.
	Booter Booter
	// CA signs the certificates of the AWS hosts that clients reach through CONNECT. It needs its private key. Without
	// it CONNECT is refused.
	CA *tls.Certificate
	// Pod returns the name of the pod that an access key id was given to, empty if it is not known.
	Pod func(accessKeyID string) string
	// RequestLog gets one JSON line (control.Request) for every AWS call; nil writes none.
	RequestLog io.Writer
	// RequestLogSize is how many calls are held for the control API; 0 takes 20000.
	RequestLogSize int
	// AnswerDelay is waited, on the real clock, before an AWS call is answered; 0 takes ten milliseconds, and a negative
	// value waits for nothing. SDK version 2 cannot bear answers that come quicker than AWS gives them: it closes the
	// body of its request as soon as the answer begins, and where net/http has not seen that body's end by then it drops
	// the connection, and the rest of a long answer with it (smithy-go v1.28.8, safeWriteToReadCloser.WriteTo).
	AnswerDelay time.Duration
	// Clock runs all other delays; nil takes the real one.
	Clock clock.Clock
	// Random returns numbers from 0 up to 1, for faults with a probability; nil takes a random source.
	Random func() float64
	// Log gets what the emulator itself has to say; nil drops it.
	Log *slog.Logger
}
