package judge

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/pgherald/pgherald/stream/streamtest"
)

// CounterTable is a table of counters and the statements on it. Each write to a row adds one to its counter, so
// the order of the row's events is known without pgherald.
type CounterTable struct {
	// Spec is the spec of the watched table. Empty means the activities.
	Spec string
	// DDL creates the table. Empty means that migrations do.
	DDL string
	// UpdateType is the type of the events of updates.
	UpdateType string
	// HasXID is set if payloads contain the id of the transaction.
	HasXID bool

	Insert string // one row: id, counter
	Bump   string // adds one to the counters of rows: ids
	Touch  string // updates rows without a change, which causes no event: ids
	Delete string // deletes rows: ids
	State  string // selects id and counter of all rows
}

// Counters returns a separate counter table.
func Counters() CounterTable {
	return CounterTable{
		Spec: `
tables:
  - name: public.rows
    payload: { id: n.id, counter: n.counter, txid: pg_current_xact_id()::text }
    on: { insert: row_inserted, update: row_updated, delete: row_deleted }
`,
		DDL:        `create table public.rows (id uuid primary key, counter int not null)`,
		UpdateType: "row_updated",
		HasXID:     true,
		Insert:     `insert into public.rows (id, counter) values ($1, $2)`,
		Bump: `
update public.rows set counter = counter + 1
where id in (select id from public.rows where id = any($1) order by id for update)`,
		Touch:  `update public.rows set counter = counter where id = any($1)`,
		Delete: `delete from public.rows where id = any($1)`,
		State:  `select id::text, counter from public.rows`,
	}
}

// ActivityCounters returns a counter table that keeps its counters in the activities' column subcategory.
func ActivityCounters() CounterTable {
	return CounterTable{
		UpdateType: "activity_updated",
		Insert: `
insert into public.activities (id, category, subcategory, location, reporter)
values ($1, 'counter', $2::int::text, 'here', 'e2e')`,
		Bump: `
update public.activities set subcategory = (subcategory::int + 1)::text
where id in (select id from public.activities where id = any($1) order by id for update)`,
		Touch:  `update public.activities set subcategory = subcategory where id = any($1)`,
		Delete: `delete from public.activities where id = any($1)`,
		State:  `select id::text, subcategory::int from public.activities`,
	}
}

const (
	// JournalDDL creates the journal.
	JournalDDL = `create table public.journal (xid xid8 primary key, updated int not null, other int not null)`

	// JournalInsert states the tally of the current transaction (updated, other) and returns its id.
	JournalInsert = `
insert into public.journal (xid, updated, other)
values (pg_current_xact_id(), $1, $2) returning xid::text`
)

// payload is the decoded data of an event.
type payload struct {
	row     string
	counter int
	deleted bool
	xid     string // empty if the payload has none
	data    string // as it arrived
}

// decode returns the payload of an event. It decodes each event once, and returns an error if two clients
// received different bytes.
func (tr *Truth) decode(e streamtest.Envelope) (payload, error) {
	p, ok := tr.payloads[e.ID]
	if !ok {
		var err error
		if p, err = decode(e); err != nil {
			return payload{}, err
		}
		if tr.payloads == nil {
			tr.payloads = make(map[int64]payload)
		}
		tr.payloads[e.ID] = p
	}
	if p.data != string(e.Data) {
		return payload{}, fmt.Errorf("event %d arrived as %s, and at another client as %s", e.ID, e.Data, p.data)
	}
	return p, nil
}

func decode(e streamtest.Envelope) (payload, error) {
	var d struct {
		ID, Subcategory, TxID string
		Counter               int
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return payload{}, fmt.Errorf("decode %s %s: %w", e.Type, e.Data, err)
	}
	p := payload{row: d.ID, counter: d.Counter, xid: d.TxID, data: string(e.Data)}
	p.deleted = e.Type == "row_deleted" || e.Type == "activity_deleted"
	if d.Subcategory != "" {
		var err error
		if p.counter, err = strconv.Atoi(d.Subcategory); err != nil {
			return payload{}, fmt.Errorf("decode %s %s: %w", e.Type, e.Data, err)
		}
	}
	return p, nil
}
