package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/notify"
	"github.com/pgherald/pgherald/migrations"
	"github.com/pgherald/pgherald/triggers"
)

// Database checks a database, and the triggers of a spec in it. absent says what to do about a table that does not exist;
// it may be empty.
func Database(ctx context.Context, url string, spec triggers.Spec, absent string) Report {
	return database(ctx, url, func(ctx context.Context, conn *pgx.Conn) Report {
		return append(drift(ctx, conn, spec, absent), indexes(ctx, conn, spec)...)
	})
}

func database(ctx context.Context, url string, compare func(context.Context, *pgx.Conn) Report) Report {
	conn, err := server.Connect(ctx, url)
	if err != nil {
		return Report{{Error, "connection", err.Error(), "no server can serve.", "correct DATABASE_URL or --database-url, or start PostgreSQL."}}
	}
	defer conn.Close(context.WithoutCancel(ctx))
	report := Report{fine("connection", "PostgreSQL %s, a primary", conn.PgConn().ParameterStatus("server_version")), delivery(ctx, url, conn)}
	statuses, err := migrations.StatusOf(ctx, url, migrations.Engine())
	if err != nil {
		return append(report, failed("tables", err))
	}
	for _, s := range statuses {
		if !s.Current() {
			found := fmt.Sprintf("version %d of %d", s.Version, s.Latest)
			return append(report, Finding{Error, "tables", found, "pgherald's tables are not those of this program" + server.MigrationAdvice(s, true) + ".",
				"run pgherald migrate up, with --engine-only for tables of your own."})
		}
		report = append(report, fine("tables", "version %d of %d", s.Version, s.Latest))
	}
	for _, q := range probes() {
		report = append(report, q.run(ctx, conn))
	}
	return append(report, compare(ctx, conn)...)
}

func failed(check string, err error) Finding {
	return Finding{Error, check, err.Error(), "the check did not end.", "run doctor with a role that may read what the error names."}
}

// delivery checks that LISTEN receives what NOTIFY sends.
func delivery(ctx context.Context, url string, listening *pgx.Conn) Finding {
	sending, err := server.Connect(ctx, url)
	if err != nil {
		return failed("listen", err)
	}
	defer sending.Close(context.WithoutCancel(ctx))
	err = notify.CheckDelivery(ctx, listening, sending)
	switch {
	case errors.Is(err, db.ErrPooler):
		return Finding{Error, "listen", "a pooler in transaction mode", "LISTEN has no effect, so no event would arrive.",
			"give serve a direct URL with --listen-database-url, and doctor the same with --database-url."}
	case err != nil:
		return failed("listen", err)
	}
	return fine("listen", "a notification arrived: sessions are real")
}

// drift compares the triggers with the spec.
func drift(ctx context.Context, conn *pgx.Conn, spec triggers.Spec, absent string) Report {
	found, err := triggers.Check(ctx, conn, spec)
	if err != nil {
		return Report{failed("triggers", err)}
	}
	var report Report
	for _, d := range found {
		remedy := d.Remedy
		if d.Kind == triggers.KindTable {
			remedy = cmp.Or(absent, remedy)
		}
		report = append(report, driftFinding(d.Message, remedy, d.Kind.IsWarning()))
	}
	if len(report) == 0 {
		report = append(report, fine("triggers", "all match the spec"))
	}
	return report
}

// indexes names the filter fields of large collections without an index. That is no reason to act: pages may not use them.
func indexes(ctx context.Context, conn *pgx.Conn, spec triggers.Spec) Report {
	advice, err := triggers.Advise(ctx, conn, spec)
	if err != nil {
		return nil // drift has said what is wrong with the spec
	}
	var report Report
	for _, a := range advice {
		report = append(report, Finding{Fine, "indexes", a.String(), "such lists read the whole table, or walk it in the order of the key.", a.Remedy()})
	}
	return report
}

func driftFinding(found, remedy string, isWarning bool) Finding {
	level, meaning := Error, "writes may give no event, or another one than the spec says."
	if isWarning {
		level, meaning = Warning, "the triggers match the spec all the same."
	}
	return Finding{level, "triggers", found, meaning, remedy}
}

// probe is one query that returns a text to show and whether it is a reason to act.
type probe struct {
	check, sql      string
	level           Level
	meaning, remedy string
	args            []any
}

func (p probe) run(ctx context.Context, conn *pgx.Conn) Finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var found string
	var isBad bool
	if err := conn.QueryRow(ctx, p.sql, p.args...).Scan(&found, &isBad); err != nil {
		return failed(p.check, err)
	}
	if !isBad {
		return fine(p.check, "%s", found)
	}
	return Finding{p.level, p.check, found, p.meaning, p.remedy}
}
