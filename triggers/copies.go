package triggers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// disabledCopy is a copy of a row trigger on a partition that does not fire. PostgreSQL makes and drops the
// copies itself, but each can be disabled by itself.
type disabledCopy struct {
	partition Name
	name      string
	function  string
}

func loadDisabledCopies(ctx context.Context, tx pgx.Tx) ([]disabledCopy, error) {
	rows, err := tx.Query(ctx, `
		select s.nspname::text, c.relname::text, t.tgname::text, p.proname::text
		from pg_trigger as t
		join pg_trigger as parent on parent.oid = t.tgparentid
		join pg_proc as p on p.oid = t.tgfoid
		join pg_class as c on c.oid = t.tgrelid
		join pg_namespace as s on s.oid = c.relnamespace
		where p.pronamespace = 'pgherald'::regnamespace
			and t.tgenabled not in ('O', 'A')
			and c.relkind = 'r' -- a row is in a partition that is not itself partitioned
		order by s.nspname, c.relname, t.tgname`)
	if err != nil {
		return nil, err
	}
	var copies []disabledCopy
	var d disabledCopy
	_, err = pgx.ForEachRow(rows, []any{&d.partition.Schema, &d.partition.Table, &d.name, &d.function}, func() error {
		copies = append(copies, d)
		return nil
	})
	return copies, err
}

// enabledCopies enables the disabled copies of the wanted row triggers.
func enabledCopies(want objects, found installed) []change {
	var changes []change
	for _, d := range found.disabled {
		if !want.hasFunction(d.function) {
			continue
		}
		on := fmt.Sprintf("trigger %s on %s", quoteIdent(d.name), d.partition)
		changes = append(changes, change{
			drift:  on + " is disabled",
			action: "enable " + on,
			sql:    []string{fmt.Sprintf("alter table %s enable trigger %s", d.partition, quoteIdent(d.name))},
			table:  d.partition,
			kind:   KindDisabled,
		})
	}
	return changes
}
