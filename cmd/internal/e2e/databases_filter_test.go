package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// comparison is a condition in pgherald's grammar and in SQL.
type comparison struct {
	field string
	text  string // operator and operand, as in where.FIELD=
	sql   string
}

// follow starts a client for each collection as a whole and for its filters.
func (p *proof) follow() {
	p.t.Helper()
	var answer struct {
		Collections []collectionInfo `json:"collections"`
	}
	client, rng := newHTTPClient(p.t), p.rng(3)
	if err := getJSON(p.ctx, client, p.node(rng).at("/api/collections"), &answer); err != nil {
		p.t.Fatal(err)
	}
	p.collections = answer.Collections
	for i := range p.collections {
		p.collections[i].own = p.ownRows(p.collections[i])
	}
	var filtered []*selection
	for _, c := range p.collections {
		if c.fieldType("password")+c.fieldType("api_token") != "" {
			p.t.Errorf("the collection %s shows a column that looks sensitive", c.Name)
		}
		p.selections = append(p.selections, &selection{collection: c, sql: "true"})
		filtered = append(filtered, p.filters(rng, c)...)
	}
	rng.Shuffle(len(filtered), func(i, j int) { filtered[i], filtered[j] = filtered[j], filtered[i] })
	if n := p.filterCount; n > 0 && n < len(filtered) {
		filtered = filtered[:n]
	}
	p.selections = append(p.selections, filtered...)
	p.startFollowers(rng, client)
}

// ownRows returns a condition: the row is not that of an inheriting table that is a collection by itself.
func (p *proof) ownRows(of collectionInfo) string {
	var others []string
	for _, c := range p.collections {
		if c.Name != of.Name {
			others = append(others, "'"+strings.ReplaceAll(c.Table, "'", "''")+"'")
		}
	}
	return fmt.Sprintf("n.tableoid <> all (array[%s]::regclass[])", strings.Join(others, ", "))
}

// startFollowers divides the selections among streams, and waits until all clients have loaded.
func (p *proof) startFollowers(rng *rand.Rand, client *http.Client) {
	p.t.Helper()
	order := slices.Clone(p.selections)
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var loaded sync.WaitGroup
	loading := make(chan struct{}, 16)
	for len(order) > 0 {
		n := min(len(order), 1+rng.IntN(31), 16)
		if rng.IntN(5) == 0 {
			n = 1
		}
		f := &follower{nodes: p.nodes, streams: p.streams, http: client, selections: order[:n], loaded: &loaded, loading: loading, rng: p.rng(1000 + uint64(len(p.followers)))}
		f.name = fmt.Sprintf("client %d", len(p.followers))
		f.single = n == 1 && rng.IntN(3) > 0
		f.restless = rng.IntN(2) == 0
		switch rng.IntN(8) {
		case 0:
			f.extra = url.Values{"conflate": {"1"}}
		case 1:
			f.extra = url.Values{"batch": {"50ms"}}
		case 2:
			f.polls = true
		case 3:
			f.extra = url.Values{"batch": {"20ms"}, "conflate": {"1"}}
		}
		order = order[n:]
		p.followers = append(p.followers, f)
	}
	loaded.Add(len(p.followers))
	for _, f := range p.followers {
		p.following.Go(func() { p.failures.add(f.run(p.ctx)) })
	}
	loaded.Wait()
	p.report()
}

// filters returns filters for every filter field of a collection: every operator with values that rows have, and groups.
func (p *proof) filters(rng *rand.Rand, c collectionInfo) []*selection {
	var all []comparison
	var made []*selection
	for _, f := range c.Filter {
		own := comparisons(rng, c, f, p.valuesOf(c, f))
		for _, one := range own {
			made = append(made, &selection{collection: c, params: url.Values{"where." + one.field: {one.text}}, sql: one.sql})
		}
		all = append(all, own...)
	}
	pick := func() comparison { return all[rng.IntN(len(all))] }
	for range min(len(all), 8) {
		a, b, third := pick(), pick(), pick()
		groups := []*selection{
			{params: url.Values{"any": {fmt.Sprintf("(%s,%s)", a.inGroup(), b.inGroup())}}, sql: fmt.Sprintf("((%s) or (%s))", a.sql, b.sql)},
			{params: url.Values{"any": {fmt.Sprintf("(%s,%s,%s)", a.inGroup(), b.inGroup(), third.inGroup())}, "where." + third.field: {third.text}},
				sql: fmt.Sprintf("((%s) or (%s) or (%s)) and (%[3]s)", a.sql, b.sql, third.sql)},
		}
		both := &selection{params: url.Values{}, sql: fmt.Sprintf("(%s) and (%s)", a.sql, b.sql)}
		both.params.Add("where."+a.field, a.text)
		both.params.Add("where."+b.field, b.text)
		one := append(groups, both)[rng.IntN(3)]
		one.collection = c
		made = append(made, one)
	}
	return made
}

// valuesOf returns values of a field that rows have, as their JSON shows them, and one that no row may have.
func (p *proof) valuesOf(c collectionInfo, f filterInfo) []string {
	column := "n." + pgx.Identifier{f.Name}.Sanitize()
	rows, _ := p.conn.Query(p.ctx, fmt.Sprintf(`select v from (select distinct to_json(%s) #>> '{}' as v from (select * from %s limit 500) as n) as s
		where length(v) < 200 order by random() limit 4`, column, c.Table))
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		p.t.Fatal(err)
	}
	return values
}

// comparisons returns every operator of a field.
func comparisons(rng *rand.Rand, c collectionInfo, f filterInfo, values []string) []comparison {
	column, cast := "n."+pgx.Identifier{f.Name}.Sanitize(), "::"+c.fieldType(f.Name)
	if f.Kind == "enum" { // PostgreSQL has no = for a domain over an enum
		column, cast = column+"::text", "::text"
	}
	var made []comparison
	add := func(text, sql string, args ...any) {
		made = append(made, comparison{f.Name, text, fmt.Sprintf(sql, args...)})
	}
	literal := func(value string) string {
		return "'" + strings.ReplaceAll(value, "'", "''") + "'" + cast
	}
	for _, value := range values {
		add("eq."+value, "%s = %s", column, literal(value))
		add("neq."+value, "%s <> %s", column, literal(value))
		add("not.eq."+value, "not (%s = %s)", column, literal(value))
	}
	if len(values) > 1 {
		words, literals := make([]string, len(values)), make([]string, len(values))
		for i, value := range values {
			words[i], literals[i] = word(value), literal(value)
		}
		add("in.("+strings.Join(words, ",")+")", "%s in (%s)", column, strings.Join(literals, ", "))
		add("not.in.("+strings.Join(words[1:], ",")+")", "not (%s in (%s))", column, strings.Join(literals[1:], ", "))
	}
	for name, operator := range map[string]string{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="} {
		if slices.Contains(f.Operators, name) && len(values) > 0 {
			value := values[rng.IntN(len(values))]
			add(name+"."+value, "%s %s %s", column, operator, literal(value))
			add("not."+name+"."+value, "not (%s %s %s)", column, operator, literal(value))
		}
	}
	add("is.null", "%s is null", column)
	add("not.is.null", "%s is not null", column)
	if f.Kind == "boolean" {
		add("is.true", "%s is true", column)
		add("is.false", "%s is false", column)
	}
	slices.SortFunc(made, func(a, b comparison) int { return strings.Compare(a.text, b.text) })
	return made
}

// inGroup returns the comparison as an item of any=.
func (c comparison) inGroup() string {
	not := ""
	text := c.text
	if rest, ok := strings.CutPrefix(text, "not."); ok {
		not, text = "not.", rest
	}
	operator, operand, _ := strings.Cut(text, ".")
	if operator != "in" && operator != "is" {
		operand = word(operand)
	}
	return wordIn(c.field) + "." + not + operator + "." + operand
}

// word quotes a value of a list where the grammar demands it.
func word(text string) string {
	if text != "" && !strings.ContainsAny(text, `,()"\`) {
		return text
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(text) + `"`
}

// wordIn quotes the name of a field in a group, where a dot ends it.
func wordIn(text string) string {
	if strings.Contains(text, ".") && word(text) == text {
		return `"` + text + `"`
	}
	return word(text)
}
