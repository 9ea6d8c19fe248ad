package triggers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// pgherald.filter_fields says from which transaction on the events of a collection have the former values of a filter
// field. Apply writes it while it holds the lock on the table: every transaction that wrote to it with an older function
// has ended, so the snapshot's end is above all of them. One that waits for the lock may have a lower number, and writes
// with the new function.

// filterKey identifies a row of pgherald.filter_fields.
type filterKey struct{ spec, collection, field string }

// loadFilters reads pgherald.filter_fields. ok is false if the database has no such table, or this role may not read it: a
// check of triggers needs no right on it.
func loadFilters(ctx context.Context, tx pgx.Tx) (filters map[filterKey]uint64, ok bool, err error) {
	err = tx.QueryRow(ctx, `select coalesce(has_table_privilege(to_regclass('pgherald.filter_fields'), 'select'), false)`).Scan(&ok)
	if err != nil || !ok {
		return nil, false, err
	}
	rows, err := tx.Query(ctx, `select f.spec, f.collection, f.field, f.since::text from pgherald.filter_fields as f`)
	if err != nil {
		return nil, false, err
	}
	filters = map[filterKey]uint64{}
	var key filterKey
	var since string
	_, err = pgx.ForEachRow(rows, []any{&key.spec, &key.collection, &key.field, &since}, func() (err error) {
		filters[key], err = strconv.ParseUint(since, 10, 64)
		return err
	})
	return filters, true, err
}

// errNoFilters reports a database whose log is too old for collections, or a role without a right on it.
const errNoFilters = constError("read pgherald.filter_fields, which collections need: the table does not exist, or this role may not read it; " +
	"run `pgherald migrate up` first, and the grants of docs/privileges.md again")

// checkFilters returns an error if the spec has collections and the database is not ready for them.
func (found installed) checkFilters(spec Spec) error {
	if found.hasFilters || !hasCollection(spec) {
		return nil
	}
	return errNoFilters
}

func hasCollection(spec Spec) bool {
	return slices.ContainsFunc(spec.Tables, func(t Table) bool { return t.Collection != "" })
}

// checkMoves returns an error if the spec has collections and the owner of the trigger functions may not log former values:
// the writes of the application would fail.
func (found installed) checkMoves(ctx context.Context, tx pgx.Tx, spec Spec) error {
	if err := found.checkFilters(spec); err != nil || !hasCollection(spec) {
		return err
	}
	var role string
	var may bool
	err := tx.QueryRow(ctx, `
		select quote_ident(r.rolname), has_column_privilege(r.oid, 'pgherald.events', 'was', 'insert')
			and has_column_privilege(r.oid, 'pgherald.events', 'audience_was', 'insert')
		from pg_roles as r
		where r.rolname = case when $1 then $2 else current_user end`, found.writer.inUse, writerRole).Scan(&role, &may)
	if err == nil && !may {
		err = fmt.Errorf("let %[1]s log former values: run `pgherald migrate up`, or as the owner of the log: "+
			"grant insert (was, audience_was) on pgherald.events to %[1]s", role)
	}
	return err
}

// recordFilters returns the changes that store the filter fields of the tables.
func recordFilters(spec string, tables []resolved, found installed) []change {
	wanted := map[filterKey]bool{}
	var changes []change
	for _, r := range tables {
		if len(r.mistakes) > 0 || r.table.Collection == "" {
			continue
		}
		for key := range r.filterKeys(spec) {
			wanted[key] = true
		}
		if !found.hasFilters {
			continue
		}
		if fresh := r.freshFields(spec, found); len(fresh) > 0 {
			changes = append(changes, r.recordFresh(spec, fresh)...)
		}
	}
	return append(changes, forgetFilters(spec, tables, wanted, found)...)
}

func (r resolved) filterKeys(spec string) map[filterKey]bool {
	keys := map[filterKey]bool{}
	fields, _ := r.table.filterFields(r.rel)
	for _, f := range fields {
		keys[filterKey{spec, r.table.Collection, f.Name}] = true
	}
	return keys
}

// freshFields returns the filter fields whose former values the installed function does not log, or of which nothing says
// since when it does.
func (r resolved) freshFields(spec string, found installed) []string {
	have, ok := found.function(functionName(r.table.Name, opRow))
	var names []string
	fields, _ := r.table.filterFields(r.rel)
	for _, f := range fields {
		_, recorded := found.filters[filterKey{spec, r.table.Collection, f.Name}]
		isKey := slices.Contains(r.rel.key, f.column)
		if !recorded || !ok || !isKey && !have.logs(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

// recordFresh locks the table and its children, and stores the fields.
func (r resolved) recordFresh(spec string, fields []string) []change {
	rows := make([]string, len(fields))
	for i, f := range fields {
		rows[i] = fmt.Sprintf("(%s, %s, %s, pg_snapshot_xmax(pg_current_snapshot()))", quoteLiteral(spec), quoteLiteral(r.table.Collection), quoteLiteral(f))
	}
	sql := "insert into pgherald.filter_fields (spec, collection, field, since)\nvalues\n    " + strings.Join(rows, ",\n    ") +
		"\non conflict (spec, collection, field) do update set since = excluded.since"
	var changes []change
	for _, child := range r.rel.children {
		changes = append(changes, change{table: child, silent: true, kind: KindCollection, action: "lock " + child.String()})
	}
	return append(changes, change{
		drift:  fmt.Sprintf("nothing says since when the log has the former values of the filter fields of collection %s", r.table.Collection),
		action: "record the filter fields of collection " + r.table.Collection,
		sql:    []string{sql}, table: r.table.Name, kind: KindCollection,
	})
}

// forgetFilters removes the rows of the spec that it does not want, except those of tables with mistakes. Servers whose
// clients filter by these fields learn it from a collection_reset.
func forgetFilters(spec string, tables []resolved, wanted map[filterKey]bool, found installed) []change {
	kept := map[string]bool{}
	for _, r := range tables {
		if len(r.mistakes) > 0 {
			kept[r.table.Collection] = true
		}
	}
	var rows []string
	changed := map[string]bool{}
	for key := range found.filters {
		if key.spec == spec && !wanted[key] && !kept[key.collection] {
			rows = append(rows, fmt.Sprintf("(%s, %s, %s)", quoteLiteral(key.spec), quoteLiteral(key.collection), quoteLiteral(key.field)))
			changed[key.collection] = true
		}
	}
	if len(rows) == 0 {
		return nil
	}
	slices.Sort(rows)
	sql := []string{"delete from pgherald.filter_fields where (spec, collection, field) in (\n    " + strings.Join(rows, ",\n    ") + "\n)"}
	for _, r := range tables {
		if changed[r.table.Collection] {
			sql = append(sql, tellSpec(r.table.Name))
		}
	}
	return []change{{action: "forget former filter fields of spec " + spec, sql: sql}}
}

// hasFilterFields reports whether a spec has rows in pgherald.filter_fields.
func (found installed) hasFilterFields(spec string) bool {
	for key := range found.filters {
		if key.spec == spec {
			return true
		}
	}
	return false
}
