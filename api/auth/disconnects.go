package auth

import (
	"context"
	"net/http"
	"time"

	"github.com/pgherald/pgherald/stream/identity"
)

// Disconnect names streams that an operator ended.
type Disconnect = identity.Disconnect

// Ended says how far a disconnect is.
type Ended = identity.Ended

// DisconnectStore stores disconnects. All servers share it, and read them with RevocationStore.Read.
type DisconnectStore interface {
	// Disconnect stores a disconnect, notifies all servers, which then call API.RevocationsChanged, and returns its id. Its
	// errors are those of RevocationStore.Revoke.
	Disconnect(ctx context.Context, d Disconnect) (id int64, err error)
	// CountEnded records that this server has read a disconnect, and how many streams it ended.
	CountEnded(ctx context.Context, id int64, streams int) error
	// Ended returns how far a disconnect is.
	Ended(ctx context.Context, id int64) (Ended, error)
}

// bars holds the disconnects that bar tokens from connecting, by the text that they name.
type bars struct {
	tokens map[string]time.Time    // until when, by token
	users  map[string][]Disconnect // by user, and by "" for all
}

func newBars() bars {
	return bars{tokens: make(map[string]time.Time), users: make(map[string][]Disconnect)}
}

func (b bars) add(list []Disconnect, now time.Time) {
	for _, d := range list {
		switch {
		case !d.Until.After(now):
		case d.TokenID == "":
			b.users[d.User] = append(b.users[d.User], d)
		case d.Until.After(b.tokens[d.TokenID]):
			b.tokens[d.TokenID] = d.Until
		}
	}
}

// until returns the time before which no server accepts the token of an identity; the zero time if all do.
func (b bars) until(id Identity) (until time.Time) {
	if id.TokenID != "" {
		until = b.tokens[id.TokenID]
	}
	for _, list := range [][]Disconnect{b.users[id.User], b.users[""]} {
		for _, d := range list {
			if d.Matches(id) && d.Until.After(until) {
				until = d.Until
			}
		}
	}
	return until
}

// maxBar is the longest bar that pgherald.disconnect accepts. A row can say more.
const maxBar = 366 * 24 * time.Hour

// barred returns the error for a token whose user an operator disconnected. A 401 would make clients get another token,
// and a 503 make them come again and again.
func barred(after time.Duration) *Error {
	return &Error{
		Status: http.StatusForbidden, Code: "disconnected", RetryAfter: min(after, maxBar),
		Detail: "an operator ended your streams, and bars new ones for a time: Retry-After says for how long",
	}
}
