package identity

import "time"

// Revocation names tokens that end before they expire: the one with the TokenID or, if that is empty, those
// issued before a time, of a user or, if that is empty too, of every user. A token that does not say when it
// was issued is issued before every time.
type Revocation struct {
	TokenID      string
	User         string
	IssuedBefore time.Time // zero with a TokenID, and for a new revocation of a user: now
}

// Disconnect names streams that an operator ended: those of the token with the TokenID or, if that is empty, of tokens
// that were issued before a time (zero: whenever), of a user or, if that is empty too, of every user. Unlike a revocation
// it leaves the tokens valid.
type Disconnect struct {
	ID            int64 // 0 for a new one
	TokenID, User string
	IssuedBefore  time.Time
	Until         time.Time // no server accepts these tokens before; zero: all do
	IsNew         bool      // the store was given it seconds ago, and its request may wait for the servers
}

// Matches reports whether a disconnect names the token of an identity.
func (d Disconnect) Matches(id Identity) bool {
	if d.TokenID != "" {
		return d.TokenID == id.TokenID
	}
	isUser := d.User == "" || d.User == id.User
	return isUser && (d.IssuedBefore.IsZero() || id.IssuedAt.Before(d.IssuedBefore))
}

// Ended says how far a disconnect is: the streams that it has ended, the servers that have read it, and those that run.
type Ended struct{ Streams, Servers, Running int }
