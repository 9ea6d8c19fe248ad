package request

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// CursorHeader is the response header with the cursor of the snapshot that the response shows. A stream opened
// with ?since= this cursor continues after the snapshot.
const CursorHeader = "Pgherald-Cursor"

// Respond answers a request with a status and a JSON body. It forbids caches to store the response.
func Respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has gone
}

// Time is a time that is encoded in JSON as by JavaScript's toISOString and by the triggers: in UTC, truncated to
// milliseconds.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	utc := t.UTC()
	if year := utc.Year(); year < 0 || year > 9999 { // valid in PostgreSQL and JavaScript, not in RFC 3339
		return fmt.Appendf(nil, `"%+07d%s"`, year, utc.Format("-01-02T15:04:05.000Z")), nil
	}
	return utc.AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}
