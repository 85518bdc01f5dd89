package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// Response is an encoded answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// contentTypes are the media types of the answers.
var contentTypes = map[Protocol]string{
	EC2Query: "text/xml;charset=UTF-8",
	AWSQuery: "text/xml",
	JSON10:   "application/x-amz-json-1.0",
	JSON11:   "application/x-amz-json-1.1",
	RESTJSON: "application/json",
}

// EncodeResult encodes the output of an operation.
func EncodeResult(s *Service, c Call, out any) (Response, error) {
	r := Response{Status: http.StatusOK, Header: headers(s, c)}
	var err error
	switch s.Protocol {
	case EC2Query:
		r.Body, err = encodeEC2(s, c, out)
	case AWSQuery:
		r.Body, err = encodeQuery(s, c, out)
	default:
		r.Body, err = json.Marshal(out)
	}
	if err != nil {
		return Response{}, fmt.Errorf("encoding the answer to %s:%s: %w", s.Name, c.Action, err)
	}
	return r, nil
}

// headers are the headers that every answer has.
func headers(s *Service, c Call) http.Header {
	h := http.Header{}
	h.Set("Content-Type", contentTypes[s.Protocol])
	// The services disagree on the name; the SDKs read either.
	h.Set("X-Amzn-Requestid", c.RequestID)
	h.Set("X-Amz-Request-Id", c.RequestID)
	return h
}

// encodeEC2 wraps the output as EC2 does: <ActionResponse><requestId/>fields</ActionResponse>.
func encodeEC2(s *Service, c Call, out any) ([]byte, error) {
	raw, err := marshalElement(out, c.Action+"Response", s.Namespace)
	if err != nil {
		return nil, err
	}
	return insertAfterStart(raw, "<requestId>"+c.RequestID+"</requestId>"), nil
}

// encodeQuery wraps the output as IAM and STS do: <ActionResponse><ActionResult>fields</ActionResult>
// <ResponseMetadata/></ActionResponse>.
func encodeQuery(s *Service, c Call, out any) ([]byte, error) {
	result, err := marshalElement(out, c.Action+"Result", "")
	if err != nil {
		return nil, err
	}
	empty, err := marshalElement(struct{}{}, c.Action+"Response", s.Namespace)
	if err != nil {
		return nil, err
	}
	meta := "<ResponseMetadata><RequestId>" + c.RequestID + "</RequestId></ResponseMetadata>"
	return insertAfterStart(empty, string(result)+meta), nil
}

// marshalElement encodes a struct as an element of the given name.
func marshalElement(v any, name, namespace string) ([]byte, error) {
	start := xml.StartElement{Name: xml.Name{Local: name}}
	if namespace != "" {
		start.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}
	}
	var b bytes.Buffer
	enc := xml.NewEncoder(&b)
	if err := enc.EncodeElement(v, start); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

// insertAfterStart puts text behind the first start tag.
func insertAfterStart(doc []byte, text string) []byte {
	i := bytes.IndexByte(doc, '>') + 1
	return append(append(append(make([]byte, 0, len(doc)+len(text)), doc[:i]...), text...), doc[i:]...)
}

// EncodeError encodes a refusal in the error shape of the service's protocol.
func EncodeError(s *Service, c Call, e *awserr.Error) Response {
	r := Response{Status: e.Status, Header: headers(s, c)}
	switch s.Protocol {
	case EC2Query:
		r.Body = encodeEC2Error(c, e)
	case AWSQuery:
		r.Body = encodeQueryError(s, c, e)
	case RESTJSON:
		r.Header.Set("X-Amzn-Errortype", e.Code)
		r.Body = jsonError(map[string]string{"message": e.Message})
	default:
		if q, ok := queryCodes[s.Name+"#"+e.Code]; ok {
			r.Header.Set("X-Amzn-Query-Error", q+";Sender")
		}
		r.Body = jsonError(map[string]string{"__type": s.ShapePrefix + e.Code, "message": e.Message})
	}
	return r
}

// queryCodes are the codes that a JSON service had when it still spoke the query protocol, and which the SDKs hand to
// their callers. Source: the awsQueryError traits in the model of SQS.
var queryCodes = map[string]string{
	"sqs#QueueDoesNotExist":      "AWS.SimpleQueueService.NonExistentQueue",
	"sqs#ReceiptHandleIsInvalid": "ReceiptHandleIsInvalid",
}

func jsonError(doc map[string]string) []byte {
	raw, err := json.Marshal(doc)
	if err != nil { // Strings always encode.
		return []byte("{}")
	}
	return raw
}

// ec2Error is the error document of EC2.
type ec2Error struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

func encodeEC2Error(c Call, e *awserr.Error) []byte {
	raw, err := xml.Marshal(ec2Error{Code: e.Code, Message: e.Message, RequestID: c.RequestID})
	if err != nil { // Strings always encode.
		return nil
	}
	return append([]byte(xml.Header), raw...)
}

// queryError is the error document of IAM and STS.
type queryError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func encodeQueryError(s *Service, c Call, e *awserr.Error) []byte {
	doc := queryError{Namespace: s.Namespace, Type: "Sender", Code: e.Code, Message: e.Message, RequestID: c.RequestID}
	if e.Status >= http.StatusInternalServerError {
		doc.Type = "Receiver"
	}
	raw, err := xml.Marshal(doc)
	if err != nil { // Strings always encode.
		return nil
	}
	return raw
}
