package triggers_test

import "testing"

// JavaScript reads 9007199254740993 as 9007199254740992.
func TestBigintAsText(t *testing.T) {
	const ddl = `
		create domain public.big as bigint;
		create table public.orders (id bigint primary key, small int, d public.big, list bigint[], "Odd" bigint, amount numeric);
		create table public.plain (id bigint primary key)`
	b := watch(t, ddl, `
bigint: text
tables:
  - name: public.orders
    on:
      insert: created
      update: { type: updated, payload: { id: n.id, was: o."Odd", sum: n.id + 1, list: n.list } }
  - { name: public.plain, on: { insert: plain_created }, bigint: number }
`)
	b.gives(`insert into public.orders values (9007199254740993, 1, 9007199254740995, '{9007199254740997,null}', 2, 1.50)`,
		`created 9007199254740993 {"id":"9007199254740993","small":1,"d":"9007199254740995",`+
			`"list":["9007199254740997",null],"Odd":"2","amount":1.50}`)
	b.gives(`update public.orders set small = 2`,
		`updated 9007199254740993 {"id":"9007199254740993","was":"2","sum":9007199254740994,"list":["9007199254740997",null]}`)
	b.gives(`insert into public.plain values (9007199254740993)`, `plain_created 9007199254740993 {"id":9007199254740993}`)
	if got := b.one(`select proconfig::text from pg_proc where proname = 'public.plain.row'`); got != "null" {
		t.Errorf("settings of the function: %s", got)
	}
	b.drifts(`
bigint: text
tables:
  - name: public.orders
    on:
      insert: created
      update: { type: updated, payload: { id: n.id, was: o."Odd", sum: n.id + 1, list: n.list } }
  - { name: public.plain, on: { insert: plain_created }, bigint: number }
`)
}
