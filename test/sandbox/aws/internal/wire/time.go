package wire

import (
	"strconv"
	"time"
)

// Time is a date and time in an XML answer, in UTC with milliseconds as AWS writes it.
type Time struct{ time.Time }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(t.UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

// Epoch is a date and time in a JSON answer, in seconds since 1970 with milliseconds as AWS writes it.
type Epoch struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (e Epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(e.UnixMilli())/1000, 'f', -1, 64), nil
}
