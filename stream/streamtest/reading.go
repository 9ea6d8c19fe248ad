package streamtest

import (
	"context"
	"io"
	"slices"

	"github.com/pgherald/pgherald/stream"
)

// reading yields transactions in parts.
type reading struct {
	log    *Log
	parts  []stream.Transaction
	cursor stream.Cursor
}

func (r *reading) add(xid uint64, events []stream.Event, cursor stream.Cursor, size int) {
	for len(events) > size {
		r.parts = append(r.parts, stream.Transaction{XID: xid, Events: slices.Clone(events[:size]), Cursor: cursor, More: true})
		events = events[size:]
	}
	r.parts = append(r.parts, stream.Transaction{XID: xid, Events: slices.Clone(events), Cursor: cursor})
}

func (r *reading) Next(_ context.Context, wants stream.Interest) (stream.Transaction, error) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if r.log.err != nil {
		return stream.Transaction{}, r.log.err
	}
	if len(r.parts) == 0 {
		return stream.Transaction{}, io.EOF
	}
	t := r.parts[0]
	r.parts = r.parts[1:]
	t.Events = slices.DeleteFunc(slices.Clone(t.Events), func(e stream.Event) bool { return !isWanted(e, wants) })
	return t, nil
}

// isWanted is the model of the condition in the SQL of package eventlog.
func isWanted(e stream.Event, wants stream.Interest) bool {
	isGranted := func(tag string) bool { return slices.Contains(wants.Grants, tag) }
	return wants.Everything || e.Type == stream.TypeCollectionReset ||
		(wants.Types == nil || slices.Contains(wants.Types, e.Type)) &&
			(wants.Keys == nil || slices.Contains(wants.Keys, e.Key)) &&
			(e.Audience == nil || slices.ContainsFunc(e.Audience, isGranted) || slices.ContainsFunc(e.AudienceWas, isGranted))
}

func (r *reading) Buffered() int { return 0 }

func (r *reading) Cursor() stream.Cursor { return r.cursor }
