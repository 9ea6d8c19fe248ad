package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Schema creates the tables of the soak: rows with versions that a trigger counts, and the audit of their writes. The
// trigger's name sorts after the one of pgherald and before those of foreign keys, so both see the writes in the
// same order.
const Schema = `
create schema soak;
create table soak.audit (
    seq bigint generated always as identity primary key,
    xid xid8 not null default pg_catalog.pg_current_xact_id(),
    tbl text not null, op text not null, old_key text, new_key text, version int
);
create table soak.items (
    id text primary key, shard text not null, version int not null default 0, amount bigint not null default 0, note text
);
create table soak.parents (id text primary key, shard text not null, version int not null default 0);
create table soak.children (
    id text primary key, parent_id text references soak.parents (id) on delete cascade on update cascade,
    shard text not null, version int not null default 0
);
create index on soak.children (parent_id);
create table soak.scraps (id text primary key, shard text not null, version int not null default 0);
create table soak.probes (id text primary key, token text not null, shard text not null default 'probe', version int not null default 0);

create function soak.count_version() returns trigger language plpgsql as $$
begin
    new.version := case tg_op when 'INSERT' then 1 else old.version + 1 end;
    return new;
end
$$;
create function soak.write_audit() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' then
        insert into soak.audit (tbl, op) values (tg_table_name, tg_op);
    elsif tg_op = 'INSERT' then
        insert into soak.audit (tbl, op, new_key, version) values (tg_table_name, tg_op, new.id, new.version);
    elsif tg_op = 'UPDATE' then
        insert into soak.audit (tbl, op, old_key, new_key, version) values (tg_table_name, tg_op, old.id, new.id, new.version);
    else
        insert into soak.audit (tbl, op, old_key, version) values (tg_table_name, tg_op, old.id, old.version);
    end if;
    return null;
end
$$;
do $$
declare
    t text;
begin
    foreach t in array array['items', 'parents', 'children', 'scraps', 'probes'] loop
        execute format('create trigger count_version before insert or update on soak.%I for each row execute function soak.count_version()', t);
        execute format('create trigger "01_audit" after insert or update or delete on soak.%I for each row execute function soak.write_audit()', t);
        execute format('create trigger "01_audit_truncate" after truncate on soak.%I execute function soak.write_audit()', t);
    end loop;
end
$$;
`

// Spec is the spec of these tables.
const Spec = `
name: soak
tables:
  - { name: soak.items, on: { insert: item_created, update: item_updated, delete: item_deleted } }
  - { name: soak.parents, on: { insert: parent_created, update: parent_updated, delete: parent_deleted } }
  - { name: soak.children, on: { insert: child_created, update: child_updated, delete: child_deleted } }
  - { name: soak.scraps, on: { insert: scrap_created, update: scrap_updated, delete: scrap_deleted } }
  - { name: soak.probes, on: { insert: probe_created, update: probe_updated, delete: probe_deleted } }
`

// ProbeType is the type of the events by which the soak measures how long clients wait.
const ProbeType = "probe_created"

// nouns maps a table to the first word of its events' types.
var nouns = map[string]string{"items": "item", "parents": "parent", "children": "child", "scraps": "scrap", "probes": "probe"}

// tableOf returns the table that an event of the soak is about, or "".
func tableOf(kind string) string {
	noun, _, _ := strings.Cut(kind, "_")
	for table, n := range nouns {
		if n == noun {
			return table
		}
	}
	return ""
}

// Logged is an event of the log.
type Logged struct {
	ID        int64
	XID       string
	Type, Key string
	Data      json.RawMessage
	Written   time.Time
	Committed time.Time
	digest    uint64
}

// Audited is a write that the audit holds.
type Audited struct {
	XID, Table, Op, OldKey, NewKey string
	Version                        int
}

// History holds what PostgreSQL committed.
type History struct {
	Log   []Logged  // by id
	Audit []Audited // in the order of the writes
	// Held are times in which commits waited for a standby: each became visible at another moment, at the end at the latest.
	Held []Window

	byID  map[int64]int
	byXID map[string][]int
}

const logSQL = `
select e.id, e.xid::text, e.type, coalesce(e.key, ''), e.data::text, e.at, coalesce(pg_catalog.pg_xact_commit_timestamp(e.xid::xid), e.at)
from pgherald.events as e
order by e.id`

const auditSQL = `
select xid::text, tbl, op, coalesce(old_key, ''), coalesce(new_key, ''), coalesce(version, 0)
from soak.audit
order by seq`

// Read reads the history in one snapshot.
func Read(ctx context.Context, conn *pgx.Conn) (*History, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // it only read
	h := &History{}
	var e Logged
	var data string
	rows, _ := tx.Query(ctx, logSQL)
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.XID, &e.Type, &e.Key, &data, &e.Written, &e.Committed}, func() error {
		e.Data = json.RawMessage(data)
		h.Log = append(h.Log, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	var a Audited
	rows, _ = tx.Query(ctx, auditSQL)
	_, err = pgx.ForEachRow(rows, []any{&a.XID, &a.Table, &a.Op, &a.OldKey, &a.NewKey, &a.Version}, func() error {
		h.Audit = append(h.Audit, a)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit: %w", err)
	}
	h.Index()
	return h, nil
}

// Index prepares the history for the checks. After a change of Log it is due again.
func (h *History) Index() {
	h.byID, h.byXID = make(map[int64]int, len(h.Log)), make(map[string][]int)
	for i := range h.Log {
		e := &h.Log[i]
		e.digest = digest(e.Type, e.Data)
		h.byID[e.ID] = i
		h.byXID[e.XID] = append(h.byXID[e.XID], i)
	}
}

// of returns an event by its id, or nil.
func (h *History) of(id int64) *Logged {
	i, ok := h.byID[id]
	if !ok {
		return nil
	}
	return &h.Log[i]
}

// Committed returns when the probe with a token was committed, or zero.
func (h *History) Committed(token string) (at time.Time) {
	for i := range h.Log {
		if e := &h.Log[i]; e.Type == ProbeType && probed(e.Data) == token {
			at = e.Committed
		}
	}
	return at
}

// probed returns the token of a probe.
func probed(data json.RawMessage) string {
	var probe struct{ Token string }
	if json.Unmarshal(data, &probe) != nil {
		return ""
	}
	return probe.Token
}

// visible returns when an event was visible at the latest.
func (h *History) visible(e *Logged) time.Time {
	at := e.Committed
	for _, w := range h.Held {
		if !at.Before(w.From) && at.Before(w.To) {
			at = w.To
		}
	}
	return at
}
