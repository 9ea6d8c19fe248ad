package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// writeSchema returns the SQL of a schema with every kind of column, key, name and relation that pgherald has a rule for:
// the given number of tables, and their partitions and children.
func writeSchema(rng *rand.Rand, tables int) string {
	s := &schema{rng: rng}
	s.printf("%s", schemaTypes)
	for i := range tables {
		s.table(i)
	}
	s.printf("%s", schemaRelations)
	return s.text.String()
}

const schemaTypes = `
create schema sales;
create schema "Sales Dept";
create type public.mood as enum ('sad', 'ok', 'happy');
create type "Sales Dept"."Order Status" as enum ('open', 'in transit', 'it''s "closed"', 'naïve, (x)');
create type public.pair as (a int, b text);
create domain public.quantity as integer check (value > -1000000 or value is null);
create domain public.label as text check (length(value) < 5000);
create domain public.label2 as public.label;
create domain public.state as public.mood;
create domain public.short as varchar(6);
create collation public.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
`

// schemaRelations are tables that refer to each other, with partitions, children and triggers of their own.
const schemaRelations = `
create table sales.customers (id int primary key, name text not null, "E-Mail" text unique, password text, api_token text, since date default current_date);
create table sales.orders (id bigint generated always as identity primary key, customer_id int references sales.customers on delete cascade on update cascade,
    status "Sales Dept"."Order Status" not null default 'open', total numeric(12,2), placed timestamptz default now());
create table sales.items (order_id bigint references sales.orders on delete cascade, line int, quantity public.quantity, price numeric,
    amount numeric generated always as (quantity * price) stored, primary key (order_id, line));
create table sales.notes (id serial primary key, order_id bigint, line int, text text,
    foreign key (order_id, line) references sales.items on delete set null on update cascade);
create table sales.employees (id int primary key, boss int default 1 references sales.employees on delete set default on update cascade, name varchar(20));
create table sales.tags (tag text primary key, parent text references sales.tags deferrable initially deferred);
create table sales.audit (at timestamptz default clock_timestamp(), what text, row jsonb);
create table "Sales Dept".orders (id uuid default gen_random_uuid() primary key, status "Sales Dept"."Order Status", note public.label2);
create table "Sales Dept"."Orders" (id int primary key, "status.of" public.state, "in.(a,b)" int, "any" int, "null" text, "a;b=c&d" text, "Größe" numeric);
create function sales.note_order() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.total is null then new.total := old.total; end if;
    return new;
end $$;
create trigger zz_total before insert or update on sales.orders for each row execute function sales.note_order();
create function sales.log_customer() returns trigger language plpgsql as $$
begin
    insert into sales.audit (what, row) values (tg_op, to_jsonb(coalesce(new, old)));
    if tg_op = 'UPDATE' then update sales.employees set name = left(new.name, 20) where id = new.id; end if;
    return null;
end $$;
create trigger log_customer after insert or update or delete on sales.customers for each row execute function sales.log_customer();

create table public.measured (id int, region text, at date, value double precision, n int, primary key (id, at)) partition by range (at);
create table public.measured_old partition of public.measured for values from (minvalue) to ('2025-01-01');
create table public.measured_2025 partition of public.measured for values from ('2025-01-01') to ('2026-01-01');
create table public.measured_2026 partition of public.measured for values from ('2026-01-01') to ('2026-06-01');
create table public.measured_rest partition of public.measured default;
create table public.listed (kind text, id int, note text, flag boolean, primary key (kind, id)) partition by list (kind);
create table public.listed_open partition of public.listed for values in ('open', 'paid', 'closed');
create table public.listed_rest partition of public.listed default partition by hash (id);
create table public.listed_rest_0 partition of public.listed_rest for values with (modulus 2, remainder 0);
create table public.listed_rest_1 (note text, flag boolean, id int not null, kind text not null);
alter table public.listed_rest attach partition public.listed_rest_1 for values with (modulus 2, remainder 1);
create table public.vehicles (id int primary key, wheels smallint, name text, check (id >= 0) no inherit);
create table public.trucks (load numeric, primary key (id), check (id < 0)) inherits (public.vehicles);
alter table public.vehicles drop column name, add column label varchar(30) default 'vehicle';
create table public.views_of (id int primary key, n int);
create view public.some_view as select * from public.views_of;
create materialized view public.some_matview as select 1 as id;
`

type schema struct {
	rng  *rand.Rand
	text strings.Builder
}

func (s *schema) printf(format string, args ...any) { fmt.Fprintf(&s.text, format, args...) }

// table makes the table of a number: its shape follows from the number, its other columns are random.
func (s *schema) table(i int) {
	names := []string{"t%d", "Order Items %d", "GROSS_%d", "größe_%d", "with.dot_%d", "quo\"te_%d", "semi;colon_%d", "per%%cent_%d", "sl/ash_%d", "東京_🐘_%d", "select_%d", "%d"}
	name := fmt.Sprintf(names[i%len(names)], i)
	schema := []string{"public", "public", "sales", `"Sales Dept"`}[i%4]
	keys := []string{
		"id serial primary key", "id bigint generated always as identity primary key", "id bigint generated by default as identity primary key",
		"id uuid primary key default gen_random_uuid()", "id text primary key", `"the Key" varchar(30) primary key`,
		"a int, b text, primary key (a, b)", "b date, a smallint, c text, primary key (a, b, c)", "at timestamptz primary key", "kind public.mood, n int, primary key (kind, n)",
		"id int not null, unique (id)", "id numeric primary key", "id public.quantity primary key", "n int", "id bigint primary key, other text unique",
		"id int primary key deferrable", "token_id int primary key", `id timestamp(3) primary key`, `id "char" primary key`, `id inet primary key`, `id bytea primary key`, `id text collate public.folded primary key`,
	}
	columns := []string{keys[i%len(keys)]}
	types := columnTypes()
	s.rng.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
	for k, typ := range types[:4+s.rng.IntN(8)] {
		columns = append(columns, fmt.Sprintf("%s %s", s.columnName(k), typ))
	}
	if i%3 == 0 { // every type in some table, for any seed
		all := columnTypes()
		columns = append(columns, fmt.Sprintf("always %s", all[i/3%len(all)]))
	}
	if i%5 == 0 {
		columns = append(columns, "password text", "twice int generated always as (13 * 2) stored")
	}
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	s.printf("create table %s.%s (%s);\n", schema, quoted, strings.Join(columns, ", "))
	if i%4 == 0 { // a hole in the numbers of the columns
		s.printf("alter table %s.%s add column gone int, add column late boolean default true; alter table %[1]s.%[2]s drop column gone;\n", schema, quoted)
	}
	if i%7 == 0 {
		s.printf("alter table %s.%s replica identity full;\n", schema, quoted)
	}
}

func (s *schema) columnName(k int) string {
	names := []string{"c%d", `"Column %d"`, `"ÄÖ%d"`, `"dot.%d"`, `"quo""te%d"`, "value_%d", `"%d"`, `"x=%d&y"`, `"UP%d"`, `"back\slash%d"`}
	return fmt.Sprintf(names[s.rng.IntN(len(names))], k)
}

// columnTypes returns every type of filter fields, and types that are none.
func columnTypes() []string {
	filters := []string{
		"text", "varchar(40)", "varchar", "name", "public.label", "public.label2", "public.short", `text collate "C"`, "public.mood", `"Sales Dept"."Order Status"`, "public.state",
		"boolean", "boolean not null default false", "smallint", "integer", "bigint", "public.quantity", "numeric", "numeric(12,3)", "numeric(20,0)", "uuid",
		"date", "timestamp", "timestamp(3)", "timestamptz", "timestamptz(0)", "timestamptz not null default now()", "integer not null default 0", "text not null default ''",
	}
	others := []string{
		"json", "jsonb", "int[]", "text[]", "public.mood[]", "bytea", "int4range", "numrange", "daterange", "tstzrange", "float8", "real", "char(7)", "interval", "time", "timetz",
		"inet", "cidr", "macaddr", "point", "bit(5)", "varbit", "money", "tsvector", "xml", "text collate public.folded", "public.pair", "oid", `"char"`, "timestamptz[]", "public.quantity[]",
	}
	return slices.Concat(filters, filters, others)
}
