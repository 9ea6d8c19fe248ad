package triggers_test

import (
	"strings"
	"testing"

	"github.com/pgherald/pgherald/triggers"
)

// A domain of another role, whose check says with whose rights it runs.
const spyingDomain = `
create schema thieves;
create function thieves.spy(text) returns boolean language plpgsql as $$ begin
    raise exception 'spied as %', current_user;
end $$;
create domain thieves.mark as text check (thieves.spy(value));
create domain thieves.small as int check (thieves.spy(value::text));
create type thieves.pair as (a int, b thieves.mark);
create type thieves.span as range (subtype = thieves.small);
create table thieves.orders (id int primary key, readers text[], marks thieves.mark[], pairs thieves.pair, spans thieves.span);
create table thieves.plain (id int primary key, readers text[]);
create function thieves.readers(thieves.mark[]) returns text[] language sql as 'select null::text[]';
`

// PostgreSQL computes the value of a literal while it parses. Neither apply nor check run the code of a domain's owner by that.
func TestLiteralsRunNoChecksOfOthers(t *testing.T) {
	t.Parallel()
	b := openBare(t, spyingDomain)
	thief := b.role("thief")
	for _, object := range []string{"function thieves.spy(text)", "domain thieves.mark", "domain thieves.small", "type thieves.pair", "type thieves.span", "table thieves.orders", "schema thieves"} {
		b.exec(`alter ` + object + ` owner to ` + thief)
	}
	spec := func(table, when string) string {
		return `tables: [{ name: thieves.` + table + `, on: { insert: { type: made, when: "` + when + `" } } }]`
	}
	for _, when := range []string{
		`n.marks = '{a}'`, `n.marks = ' {a}'`, `n.marks = E'\\x7ba}'`, `n.marks = U&'\\007ba}'`, `n.marks = $$[1:1]={a}$$`, `n.marks = '' \n '{a}'`,
		`n.pairs = '(1,a)'`, `n.spans = '[1,2]'`, `coalesce(n.marks, '{a}') is null`,
	} {
		b.refuses(spec("orders", when), "array[", "which belongs to "+strings.Trim(thief, `"`))
		if _, err := triggers.Apply(t.Context(), b.conn, parse(t, spec("orders", when))); err != nil && strings.Contains(err.Error(), "spied") {
			t.Errorf("%s: %v", when, err)
		}
		for _, d := range b.check(spec("orders", when)) {
			if strings.Contains(d.Message, "spied") {
				t.Errorf("%s: %s", when, d)
			}
		}
	}
	for _, when := range []string{`thieves.readers('{a}') is null`, `'{a}'::thieves.mark[] is null`, `'{a}' operator(thieves.=) n.readers`} {
		b.refuses(spec("plain", when), "array[", "which belongs to "+strings.Trim(thief, `"`))
	}
	for _, when := range []string{`n.readers = '{a}'`, `n.readers = array['a']`} {
		b.apply(parse(t, spec("plain", when)))
	}
	b.apply(parse(t, spec("orders", `n.marks is null and n.readers = array['a']`)))
	b.exec(`reassign owned by ` + thief + ` to current_user`)
	b.exec(`create or replace function thieves.spy(text) returns boolean language sql return true`)
	b.apply(parse(t, spec("orders", `n.marks = '{a}'`)))
}
