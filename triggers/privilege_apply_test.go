package triggers_test

import "testing"

// plannedSQL gives a type functions that PostgreSQL computes when it plans a statement with a constant of the type,
// and a null row is one.
const plannedSQL = `
	create type thieves.evil as enum ('a');
	create function thieves.run() returns void language plpgsql as $$
	begin raise exception 'the code of the table''s owner runs as %', current_user; end $$;
	create function thieves.to_text(thieves.evil) returns text immutable language plpgsql as $$ begin perform thieves.run(); return '1'; end $$;
	create function thieves.to_json(thieves.evil) returns json immutable language plpgsql as $$ begin perform thieves.run(); return '1'; end $$;
	create function thieves.same(thieves.evil, thieves.evil) returns bool immutable language plpgsql as $$ begin perform thieves.run(); return true; end $$;
	create cast (thieves.evil as text) with function thieves.to_text(thieves.evil) as assignment;
	create cast (thieves.evil as json) with function thieves.to_json(thieves.evil) as assignment;
	create operator thieves.= (leftarg = thieves.evil, rightarg = thieves.evil, function = thieves.same);
	create table thieves.orders (id thieves.evil primary key, v thieves.evil);
	create table thieves.names (id thieves.evil, name text)`

// An owner of a watched table chooses the functions of its columns' types. None of them runs when triggers are
// applied or checked, with the rights of the role that does so.
func TestApplyRunsNoCodeOfTheTablesOwner(t *testing.T) {
	for name, spec := range map[string]string{
		"key":      `{name: thieves.orders, on: {insert: a, update: b, delete: c, truncate: as-deletes}}`,
		"payload":  `{name: thieves.orders, on: {insert: a}, payload: {v: "n.v::text", w: "n.v::json", c: "'a'::thieves.evil::text"}}`,
		"when":     `{name: thieves.orders, on: {update: {type: a, when: "n.v operator(thieves.=) 'a'"}}}`,
		"audience": `{name: thieves.orders, on: {insert: a}, audience: "array[n.v::text]"}`,
		"join":     `{name: thieves.orders, on: {insert: a}, join: ["thieves.names as m on m.id operator(thieves.=) n.v"], payload: {name: m.name}}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, ``)
			thief := b.role("thief")
			b.exec(`create schema thieves authorization ` + thief)
			b.become(thief)
			b.exec(plannedSQL)
			b.exec(`reset session authorization`)
			s := `tables: [` + spec + `]`
			b.apply(parse(t, s))
			b.drifts(s)
		})
	}
}
