package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/sse"
)

// leases are those of the streams that end with a token, by their connections' ids.
type leases struct {
	mu   sync.Mutex
	byID map[string]*held // guarded by mu
}

// held is the lease of one stream, and what the token was for.
type held struct {
	lease  *sse.Lease
	rights rights
}

// rights are a hash of who somebody is and what they may hear. A stream is renewed only by a token
// that says the same of both: what it was sent, and what it still holds back, stays right.
type rights [sha256.Size]byte

func rightsOf(id auth.Identity) rights {
	text, _ := json.Marshal([]any{id.User, append([]string{}, id.Grants...)}) // strings cannot fail
	return sha256.Sum256(text)
}

// connectionLength is that of rand.Text, which makes the ids.
const connectionLength = 26

func newLeases() *leases { return &leases{byID: make(map[string]*held)} }

// open returns the lease of a new stream and the id of its connection. Nobody can guess that.
func (l *leases) open(id auth.Identity) (connection string, lease *sse.Lease) {
	connection, lease = rand.Text(), sse.NewLease(id.Expires)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byID[connection] = &held{lease: lease, rights: rightsOf(id)}
	return connection, lease
}

func (l *leases) close(connection string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, connection)
}

// find returns what the token of a stream was for that is open here, and when the stream ends.
func (l *leases) find(connection string) (has rights, end time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.byID[connection]
	if !ok {
		return rights{}, time.Time{}, false
	}
	return h.rights, h.lease.Until(), true
}

// renew puts off the end of a stream, and never brings it nearer: the token from before still counts.
// It returns when the end is now; false if no such stream is open here.
func (l *leases) renew(connection string, until time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.byID[connection]
	if !ok {
		return time.Time{}, false
	}
	if until.After(h.lease.Until()) {
		h.lease.Renew(until)
	}
	return h.lease.Until(), true
}
