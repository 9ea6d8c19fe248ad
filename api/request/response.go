package request

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// CursorHeader carries the cursor of what a response shows. GET /api/events?since= continues after it.
const CursorHeader = "Pgherald-Cursor"

// Respond answers a request with a status and a JSON body that no cache keeps.
func Respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has gone
}

// Time is a time whose JSON is that of JavaScript's toISOString and of the triggers: in UTC, cut to milliseconds.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	utc := t.UTC()
	if year := utc.Year(); year < 0 || year > 9999 { // valid in PostgreSQL and JavaScript, not in RFC 3339
		return fmt.Appendf(nil, `"%+07d%s"`, year, utc.Format("-01-02T15:04:05.000Z")), nil
	}
	return utc.AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}
