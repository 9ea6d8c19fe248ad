package triggers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

func TestUnwatchableTablesAreRefused(t *testing.T) {
	b := open(t, orders+`
		create view public.view as select 1 as id;
		create materialized view public.stored as select 1 as id;
		create sequence public.seq;
		create temp table temporary (id int primary key)`)
	temp := b.one(`select nspname from pg_namespace where oid = pg_my_temp_schema()`)
	for table, want := range map[string]string{
		"public.nothing":    "table public.nothing: it does not exist",
		"nowhere.orders":    "table nowhere.orders: it does not exist",
		"public.view":       "table public.view: it is a view",
		"public.stored":     "table public.stored: it is a materialized view",
		"public.seq":        "table public.seq: it is a sequence",
		"pgherald.events":   "table pgherald.events: the log cannot be watched",
		"pg_catalog.pg_am":  "table pg_catalog.pg_am: it is a system catalog",
		temp + ".temporary": "it is temporary",
	} {
		b.refuses(`tables: [{ name: `+table+`, on: { insert: created } }]`, want)
	}
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, `tables:
  - { name: public.a, on: { insert: created } }
  - { name: public.b, on: { insert: created } }`))
	contains(t, err.Error(), "table public.a: it does not exist", "table public.b: it does not exist")
}

// The error of a bad expression names the table, the event and the field, and quotes PostgreSQL.
func TestBadExpressionsAreRefused(t *testing.T) {
	b := open(t, orders)
	for event, want := range map[string]string{
		`payload: { total: n.totl }`: `table public.orders, on update order_updated, payload field "total": column n.totl does not exist ` +
			`(hint: Perhaps you meant to reference the column "n.total"`,
		`payload: { a: nothing() }`:                 `payload field "a": function nothing() does not exist`,
		`payload: { a: count(*) }`:                  `payload field "a": aggregate functions are not allowed in WHERE`,
		`payload: { a: row_number() over () }`:      `payload field "a": window functions are not allowed in WHERE`,
		`payload: { a: "generate_series(1, 3)" }`:   `payload field "a": set-returning functions are not allowed in WHERE`,
		`payload: { a: 1 from pg_class }`:           `payload field "a": syntax error at or near "from"`,
		`payload: { a: n.id as b }`:                 `payload field "a": syntax error at or near "as"`,
		`payload: { a: new.id }`:                    `payload field "a": missing FROM-clause entry for table "new"`,
		`payload: { a: orders.id }`:                 `payload field "a": missing FROM-clause entry for table "orders"`,
		`payload: { a: "(select id from orders)" }`: `payload field "a": relation "orders" does not exist`,
		`payload: { a: "(select 1, 2)" }`:           `payload field "a": subquery must return only one column`,
		`when: n.status`:                            `on update order_updated, when: read expression: it is text, and must be boolean`,
		`audience: n.status`:                        `on update order_updated, audience: read expression: it is text, and must be text[]`,
		`audience: "array[n.id]"`:                   `audience: read expression: it is int4[], and must be text[]`,
		`audience: "array[n.nope]"`:                 `audience: column n.nope does not exist`,
		`key: n.nope`:                               `on update order_updated, key: column n.nope does not exist`,
	} {
		b.refuses("tables:\n  - name: public.orders\n    on:\n      update:\n        type: order_updated\n        "+event, want)
	}
	if got := b.one(`select count(*) from pg_trigger where not tgisinternal and tgrelid = 'public.orders'::regclass`); got != "0" {
		t.Errorf("refused specs left %s triggers", got)
	}
}

func TestBadJoinsAreRefused(t *testing.T) {
	b := open(t, orders)
	for join, want := range map[string]string{
		`public.nothing as x on true`:                 `join public.nothing as x on true: relation "public.nothing" does not exist`,
		`public.orders as x`:                          `join public.orders as x: syntax error`,
		`public.orders as x on x.nope = n.id`:         `column x.nope does not exist`,
		`public.orders as n on true`:                  `table name "n" specified more than once`,
		`public.orders as x on true where false`:      `syntax error at or near`,
		`public.orders as payload on true`:            `table name "payload" specified more than once`,
		`public.orders as x on true group by x.id`:    `syntax error at or near`,
		`public.orders as x on true union select 1`:   `syntax error at or near`,
		`public.orders as x on count(*) > 0`:          `aggregate functions are not allowed in JOIN conditions`,
		`public.orders as x on x.status = n.id::date`: `cannot cast type integer to date`,
	} {
		b.refuses("tables:\n  - name: public.orders\n    join: "+join+"\n    payload: { id: n.id }\n    on: { insert: created }", want)
	}
}

// Apply reports all mistakes at once, and a mistake that events inherit only once.
func TestAllMistakesAtOnce(t *testing.T) {
	b := open(t, orders)
	_, err := triggers.Apply(t.Context(), b.conn, parse(t, `
tables:
  - name: public.orders
    payload: { a: n.nope, b: n.id, c: n.nada }
    on: { insert: created, update: updated, delete: { type: deleted, when: n.nix } }
`))
	if err == nil {
		t.Fatal("apply succeeded")
	}
	if got := strings.Count(err.Error(), "does not exist"); got != 3 {
		t.Errorf("the error reports %d mistakes, want 3:\n%v", got, err)
	}
}

// Parse or Apply refuses an expression that would end the SQL around it, and none of it is executed.
func TestSQLInjectionIsRefused(t *testing.T) {
	b := open(t, orders+`create table public.victim (id int)`)
	for _, sql := range []string{
		`1; drop table public.victim`,
		`1); drop table public.victim; select (1`,
		`1) from pg_class, (select 1`,
		`1), (2`,
		`1, 2`,
		`1 /*`,
		`*/ 1`,
		`'`,
		`"`,
		`$$ 1`,
		`$1`,
		`(select 1 from public.victim for update of nothing)`,
		`1) union all select (1`,
		`with gone as (delete from public.victim returning 1) select 1 from gone`,
		`(with gone as (delete from public.victim returning 1) select 1 from gone)`,
		`select 1 into public.stolen`,
		`1 -- `,
		`-- 1`,
	} {
		for _, place := range []string{"payload: { a: %s }", "when: %s", "key: %s", "audience: %s"} {
			spec := fmt.Sprintf("tables:\n  - name: public.orders\n    on:\n      insert:\n        type: created\n        "+place, quoteYAML(t, sql))
			parsed, err := triggers.Parse([]byte(spec))
			if err != nil {
				continue
			}
			if _, err := triggers.Apply(t.Context(), b.conn, parsed); err == nil && sql != `1 -- ` {
				t.Errorf("accepted %q in %q", sql, place)
			}
		}
	}
	b.one(`select count(*) from public.victim`)
}

func TestComments(t *testing.T) {
	b := watch(t, orders, `
tables:
  - name: public.orders
    payload:
      id: n.id -- the id ) ; '
      status: |
        /* one ( more */ case -- to
          when n.status = 'a
         b' then 'multi
         line'
        end
    on: { insert: created }
`)
	b.gives(`insert into public.orders values (1, E'a\n b')`, `created 1 {"id":1,"status":"multi\n line"}`)
}
