package triggers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/triggers"
)

// PostgreSQL passes at most 100 arguments to a function, and a table may have more filter fields.
func TestFormerValuesOfAWideTable(t *testing.T) {
	conn := pgtest.Connect(t, pgtest.NewDatabase(t))
	var columns []string
	for i := range 1500 {
		columns = append(columns, fmt.Sprintf("c%d int", i))
	}
	pgtest.Exec(t, conn, `create table public.wide (id int primary key, `+strings.Join(columns, ", ")+`)`)
	spec, err := triggers.Parse([]byte(`tables: [{name: public.wide, collection: wide, filter: "*"}]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := triggers.Apply(t.Context(), conn, spec); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn, `insert into public.wide (id, c7, c1400) values (1, 7, 8); update public.wide set c7 = null, c1400 = 9`)
	var kind, was string
	if err := conn.QueryRow(t.Context(), `select type, was::text from pgherald.events order by id desc limit 1`).Scan(&kind, &was); err != nil {
		t.Fatal(err)
	}
	if kind != "wide_updated" || was != `{"c7":7,"c1400":8}` {
		t.Errorf("%s, formerly %s", kind, was)
	}
}
