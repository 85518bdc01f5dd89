// Package wire speaks the AWS protocols that the emulator serves: EC2 query, AWS query, AWS JSON 1.0 and 1.1 and REST
// JSON. It decodes requests strictly, so that a parameter which no operation reads is refused by its name and never
// ignored, and encodes answers and errors in the shape of each protocol.
//
// Operations are described by the Go types of their input and output. Input fields of the query protocols carry the
// tag `q:"Name"`, with `,required` where AWS requires them; those of the JSON protocols carry `json:"Name"`. An
// embedded struct lends its fields. Output fields carry the tags of encoding/xml or encoding/json.
package wire
