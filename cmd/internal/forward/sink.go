package forward

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// sink is where events go. It is safe for concurrent use.
type sink interface {
	// send sends events, and returns nil once all of them are acknowledged. Those of a lane are next to each other, and arrive in their order.
	send(ctx context.Context, events []message) *failure
	close()
}

// message is an event as a sink gets it.
type message struct {
	id       string // the same for each attempt
	lane     string
	envelope []byte

	// The same as in the envelope. Empty if the event has none.
	eventType  string
	collection string
	key        string

	isReset bool // it stands for all events that were lost
}

// failure says why a delivery was not acknowledged.
type failure struct {
	text string
	// isAboutEvent says that the receiver has refused the content: no other event need have the same fate.
	isAboutEvent bool
	// isOutage says that the failure cannot be the fault of an event: it never counts towards parking.
	isOutage bool
	// isGone says that the receiver wants no more.
	isGone     bool
	retryAfter time.Duration // 0 if the receiver named none
}

// bound makes a text that others have influenced fit for logs and tables.
func bound(text string) string {
	const most = 300
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
}

// messageOf returns what a sink gets of an event.
func messageOf(i *item) message {
	id := i.request
	if id == "" {
		id = eventID(i.ID, i.Envelope)
	}
	return message{
		id: id, lane: i.lane, envelope: i.Envelope, eventType: i.Type, collection: i.Collection, key: i.Key, isReset: i.isReset,
	}
}

// parkedMessage returns what a sink gets of a parked event: the same as at the first attempt.
func parkedMessage(id int64, lane string, envelope []byte) message {
	var of struct {
		Type       string `json:"type"`
		Collection string `json:"collection"`
		Key        string `json:"key"`
	}
	_ = json.Unmarshal(envelope, &of) // it is one that this program has made
	return message{
		id: eventID(id, envelope), lane: lane, envelope: envelope, eventType: of.Type, collection: of.Collection, key: of.Key,
	}
}
