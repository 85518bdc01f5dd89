// Package sqs serves the part of SQS that Karpenter calls, in the AWS JSON 1.0 protocol that SDK version 2 and late
// releases of version 1 speak.
package sqs

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is SQS acting on a world.
type service struct{ w *world.World }

// New describes SQS, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		Name: "sqs", Protocol: wire.JSON10, TargetPrefix: "AmazonSQS", ShapePrefix: "com.amazonaws.sqs#",
		Operations: map[string]wire.Operation{
			"DeleteMessage":  wire.Op(s.deleteMessage),
			"GetQueueUrl":    wire.Op(s.getQueueURL),
			"ReceiveMessage": wire.Op(s.receiveMessage),
			"SendMessage":    wire.Op(s.sendMessage),
		},
	}
}

// The bounds of ReceiveMessage and what holds without the parameters.
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html.
const (
	maxMessages       = 10
	maxWaitSeconds    = 20
	maxHideSeconds    = 43200
	defaultHideSecond = 30
)

// systemAttributes are the attributes of a message that the emulator knows.
var systemAttributes = []string{"All", "SentTimestamp", "ApproximateReceiveCount"}

type getQueueURLInput struct {
	Name string `json:"QueueName" need:"true"`
}

type getQueueURLOutput struct {
	URL string `json:"QueueUrl"`
}

func (s service) getQueueURL(_ context.Context, _ wire.Call, in *getQueueURLInput) (*getQueueURLOutput, error) {
	url, err := s.w.QueueURL(in.Name)
	return &getQueueURLOutput{URL: url}, err
}

type receiveMessageInput struct {
	QueueURL string `json:"QueueUrl" need:"true"`
	Max      *int   `json:"MaxNumberOfMessages"`
	Hide     *int   `json:"VisibilityTimeout"`
	Wait     *int   `json:"WaitTimeSeconds"`
	// AttributeNames is the older name of MessageSystemAttributeNames.
	AttributeNames       []string `json:"AttributeNames"`
	SystemAttributeNames []string `json:"MessageSystemAttributeNames"`
	// MessageAttributeNames asks for attributes that senders set, which no message here has.
	MessageAttributeNames []string `json:"MessageAttributeNames"`
}

type receiveMessageOutput struct {
	Messages []message `json:"Messages,omitempty"`
}

type message struct {
	ID         string            `json:"MessageId"`
	Receipt    string            `json:"ReceiptHandle"`
	MD5        string            `json:"MD5OfBody"`
	Body       string            `json:"Body"`
	Attributes map[string]string `json:"Attributes,omitempty"`
}

func (s service) receiveMessage(ctx context.Context, _ wire.Call, in *receiveMessageInput) (*receiveMessageOutput, error) {
	wanted := append(slices.Clone(in.AttributeNames), in.SystemAttributeNames...)
	if unknown, ok := lo.Find(wanted, func(a string) bool { return !slices.Contains(systemAttributes, a) }); ok {
		return nil, awserr.New("InvalidAttributeName", "Unknown Attribute %s.", unknown)
	}
	n, err := within("MaxNumberOfMessages", in.Max, 1, 1, maxMessages)
	if err != nil {
		return nil, err
	}
	wait, err := within("WaitTimeSeconds", in.Wait, 0, 0, maxWaitSeconds)
	if err != nil {
		return nil, err
	}
	hide, err := within("VisibilityTimeout", in.Hide, defaultHideSecond, 0, maxHideSeconds)
	if err != nil {
		return nil, err
	}
	got, err := s.w.Receive(ctx, in.QueueURL, n, time.Duration(hide)*time.Second, time.Duration(wait)*time.Second)
	return &receiveMessageOutput{Messages: lo.Map(got, func(m world.Message, _ int) message {
		return message{ID: m.ID, Receipt: m.Receipt, MD5: m.MD5(), Body: m.Body, Attributes: attributes(m, wanted)}
	})}, err
}

// within reads a number that may be absent and has bounds.
func within(name string, value *int, byDefault, lowest, highest int) (int, error) {
	n := lo.FromPtrOr(value, byDefault)
	if n < lowest || n > highest {
		return 0, awserr.New("InvalidParameterValue",
			"Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", n, name, lowest, highest)
	}
	return n, nil
}

// attributes are the system attributes of a message that were asked for.
func attributes(m world.Message, wanted []string) map[string]string {
	all := map[string]string{
		"SentTimestamp":           strconv.FormatInt(m.Sent.UnixMilli(), 10),
		"ApproximateReceiveCount": strconv.Itoa(m.Received),
	}
	if slices.Contains(wanted, "All") {
		return all
	}
	return lo.PickByKeys(all, wanted)
}

type deleteMessageInput struct {
	QueueURL string `json:"QueueUrl" need:"true"`
	Receipt  string `json:"ReceiptHandle" need:"true"`
}

// nothing is the answer of the calls that have none.
type nothing struct{}

func (s service) deleteMessage(_ context.Context, _ wire.Call, in *deleteMessageInput) (*nothing, error) {
	return &nothing{}, s.w.Delete(in.QueueURL, in.Receipt)
}

type sendMessageInput struct {
	QueueURL string `json:"QueueUrl" need:"true"`
	Body     string `json:"MessageBody" need:"true"`
}

type sendMessageOutput struct {
	ID  string `json:"MessageId"`
	MD5 string `json:"MD5OfMessageBody"`
}

func (s service) sendMessage(_ context.Context, _ wire.Call, in *sendMessageInput) (*sendMessageOutput, error) {
	m, err := s.w.Send(in.QueueURL, in.Body)
	return &sendMessageOutput{ID: m.ID, MD5: m.MD5()}, err
}
