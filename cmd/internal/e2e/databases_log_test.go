package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"

	"github.com/jackc/pgx/v5"
)

// checkLog folds the log by table and key, and checks that each update names the former values of the filter fields that
// it changed, and no others.
func (p *proof) checkLog() {
	p.t.Helper()
	byType := map[string]collectionInfo{}
	for _, c := range p.collections {
		for eventType := range c.Types {
			byType[eventType] = c
		}
	}
	rows, _ := p.conn.Query(p.ctx, `select type, key, data::text, was::text from pgherald.events where key is not null order by id`)
	var eventType, key, data string
	var was *string
	known := map[string]map[string]json.RawMessage{}
	updates, moves := 0, 0
	_, err := pgx.ForEachRow(rows, []any{&eventType, &key, &data, &was}, func() error {
		c, ok := byType[eventType]
		if !ok {
			return nil
		}
		id := c.Name + " " + key
		var row map[string]json.RawMessage
		if err := json.Unmarshal([]byte(data), &row); err != nil {
			return fmt.Errorf("%s %s: %w", eventType, key, err)
		}
		if before := known[id]; before != nil && c.Types[eventType] == "update" {
			var got map[string]json.RawMessage
			if was != nil {
				if err := json.Unmarshal([]byte(*was), &got); err != nil {
					return err
				}
				moves++
			}
			updates++
			if want := c.changed(before, row, got); !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return cut(a) == cut(b) }) {
				return fmt.Errorf("%s of %s: was is %s, want %s", eventType, key, got, want)
			}
		}
		known[id] = row
		if c.Types[eventType] == "delete" {
			delete(known, id)
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
	p.t.Logf("the log: %d updates, of which %d changed filter fields", updates, moves)
}

// changed returns the former values of the filter fields that differ. Those that filters cannot tell apart, as 1.5 and 1.50,
// are in it if they are in was.
func (c collectionInfo) changed(before, after, was map[string]json.RawMessage) map[string]json.RawMessage {
	changed := map[string]json.RawMessage{}
	for _, f := range c.Filter {
		former, value := before[f.Name], after[f.Name]
		if _, logged := was[f.Name]; string(former) != string(value) && (logged || !sameNumber(former, value)) {
			changed[f.Name] = former
		}
	}
	return changed
}

// sameNumber reports whether a and b are the same number.
func sameNumber(a, b json.RawMessage) bool {
	x, ok := new(big.Rat).SetString(string(a))
	y, also := new(big.Rat).SetString(string(b))
	return ok && also && x.Cmp(y) == 0
}

// cut returns the beginning of a value, because the log cuts long texts.
func cut(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil || len(text) < 1000 {
		return string(value)
	}
	return text[:1000]
}

// rowError says that a client and the stream disagree about a row.
type rowError struct{ key, detail string }

func (e rowError) Error() string { return e.detail }

// explain adds what the log has about the row of the first error about one.
func (p *proof) explain() {
	for _, err := range p.failures.errs {
		var row rowError
		if !errors.As(err, &row) {
			continue
		}
		rows, _ := p.conn.Query(p.ctx, `select format('%s xid %s %s %s was %s', id, xid, type, data, was) from pgherald.events where key = $1 order by id`, row.key)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		p.t.Logf("the log about %s: %v\n%s", row.key, err, strings.Join(lines, "\n"))
		return
	}
}
