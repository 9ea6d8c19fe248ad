package stream

import (
	"bytes"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream/collection"
)

// Encoder makes the envelopes of events for a consumer that reads the log without a feed, such as a service. The consumer receives the
// events of every audience. It may not be used by several goroutines at once.
type Encoder struct {
	filter Filter
	set    *collection.Set
}

// NewEncoder returns an encoder for what the filter selects. The set, which may be nil, must be that with which the filter was parsed.
func NewEncoder(filter Filter, set *collection.Set) *Encoder {
	if set == nil {
		set, _ = collection.NewSet(nil) // no two collections contradict each other
	}
	return &Encoder{filter: filter.WithGrants(nil), set: set}
}

// Encoded is the envelope of an event, with what says how it is ordered.
type Encoded struct {
	ID   int64
	Type string
	// Collection is the name of the collection that the event is about; empty if it is about none or several.
	Collection string
	// Key is that of the row or of a published event; empty if there is none.
	Key string
	// Loads says that the consumer has to load rows again. Such an event belongs behind all earlier and before all later ones.
	Loads bool
	At    time.Time // when it was written, by PostgreSQL's clock
	// Envelope is a JSON object on one line. Besides what streams of collections have, that of an event of no collection has its key and
	// transaction.
	Envelope []byte
}

// Encode returns the envelopes of the events that the filter selects, in the order of the log.
func (c *Encoder) Encode(t *Transaction) []Encoded {
	public := *t
	public.Events = slices.Clone(t.Events)
	for i := range public.Events {
		public.Events[i].Audience, public.Events[i].AudienceWas = nil, nil
	}
	e := &entry{xid: t.XID}
	e.add(&public)
	e.parseChanges(c.set)
	if c.filter.needsFields() {
		e.parseFields()
	}
	var out []Encoded
	for i := range e.frames {
		if v := c.filter.judge(e, i); v != 0 {
			out = append(out, c.encode(e, i, v))
		}
	}
	return out
}

func (c *Encoder) encode(e *entry, i int, v verdict) Encoded {
	f, change := &e.frames[i], &e.changes[i]
	o := c.filter.newOutput(nil)
	if c.filter.hasSelections() {
		o.addRow(e, i, v, nil)
	} else {
		o.addPast(e.only(i))
	}
	line := bytes.Join(o.bufs, nil)
	encoded := Encoded{
		ID: f.id, Type: f.eventType, Collection: change.subject(), Loads: change.op == reset || c.filter.hasSelections() && v.has(reloaded),
		At: time.Unix(0, f.at), Envelope: line[len(dataPrefix) : len(line)-len("\n\n")],
	}
	if f.isOfRow() {
		encoded.Key = f.key
	}
	return encoded
}
