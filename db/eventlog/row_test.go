package eventlog_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestReadDecodesEveryColumn compares what a read yields with what SQL returns, for extreme values.
func TestReadDecodesEveryColumn(t *testing.T) {
	url := pgtest.NewDatabase(t)
	log, conn := openLog(t, url), pgtest.Connect(t, url)
	start := head(t, log, 0)
	pgtest.Exec(t, conn, `
		insert into pgherald.events (id, at, type, key, audience, data, audience_was, was)
		overriding system value
		values
			(1, '1999-12-31 23:59:59.999999Z', 'a', null, null, 'null', '{*}', '{"a":1}'),
			(2, '2026-11-25 20:00:00.000001+02', '', '', '{}', '"\u0000 is no text to Postgres"', '{}', 'null'),
			(3, '0001-01-01 00:00:00Z', 'ä'||chr(10)||'b', '€', '{"a,b","\"","ü"}', '{ "a" : 1 }', '{"c","ü"}', '{ "a" : "\u0000" }'),
			(9223372036854775807, '294276-12-31 23:59:59.999999Z', 'a', 'k', '{NULL}', '[]', null, null)`)
	rows, err := conn.Query(t.Context(), `
		select
			id, at, type, coalesce(key, '') as key, array_remove(audience, null) as audience, convert_to(data::text, 'UTF8') as data,
			audience_was, convert_to(was::text, 'UTF8') as was
		from pgherald.events
		order by id`)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[stream.Event])
	if err != nil {
		t.Fatal(err)
	}
	for _, read := range []string{"first", "second, which expects former values"} {
		r, err := log.Read(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := r.Next(t.Context(), stream.Interest{Everything: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, tx.Events); diff != "" {
			t.Errorf("%s read: %s", read, diff)
		}
	}
}

// FuzzDecodeRow checks that no bytes make the decoder panic, and that a decoded event equals its row.
func FuzzDecodeRow(f *testing.F) {
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	f.Add(number(1), number(700), number(1<<62), []byte(nil), []byte(`{}`))
	f.Add([]byte(nil), []byte("12"), number(0), []byte("{a}"), []byte(nil))
	f.Add(number(1<<63), number(0), number(1<<63), append(number(1<<32), number(25)...), []byte("null"))
	f.Fuzz(func(t *testing.T, id, xid, at, audience, data []byte) {
		e, err := eventlog.DecodeRow([][]byte{nil, nil, nil, nil, nil, id, xid, at, {0, 0}, []byte("a"), nil, audience, data, nil, nil})
		if err != nil {
			return
		}
		if !bytes.Equal(number(uint64(e.ID)), id) || !bytes.Equal(e.Data, data) || e.Type != "a" || e.Key != "" {
			t.Errorf("%q with %q is %+v", id, data, e)
		}
		if micros := int64(binary.BigEndian.Uint64(at)); e.At.Unix()-946_684_800 != floor(micros, 1_000_000) {
			t.Errorf("%d µs since 2000 are %v", micros, e.At)
		}
	})
}

func floor(n, d int64) int64 {
	if n < 0 && n%d != 0 {
		return n/d - 1
	}
	return n / d
}
