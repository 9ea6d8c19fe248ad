package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/stream/status"
)

// Examine returns the findings about a server's database, for GET /api/operations. The triggers are as the server's last check
// found them: to check hundreds of tables takes longer than a request waits.
func Examine(ctx context.Context, d server.Database, last status.Triggers) ([]status.Finding, error) {
	report := database(ctx, d.ListenURL, func(context.Context, *pgx.Conn) Report { return lastDrift(last) })
	findings := make([]status.Finding, len(report))
	for i, f := range report {
		findings[i] = status.Finding{Level: f.Level.String(), Check: f.Check, Found: f.Found, Meaning: f.Meaning, Remedy: f.Remedy}
	}
	return findings, nil
}

// lastDrift reports what a server's last check of the triggers has found.
func lastDrift(last status.Triggers) Report {
	if last.Checked.IsZero() {
		return Report{fine("triggers", "not compared with the spec yet")} // the server has just started, or reports failed checks
	}
	at := last.Checked.UTC().Format("2006-01-02 15:04:05 UTC")
	if len(last.Drift) == 0 {
		return Report{fine("triggers", "all match the spec, checked %s", at)}
	}
	var report Report
	for _, d := range last.Drift {
		report = append(report, driftFinding(d.Problem+" (checked "+at+")", d.Remedy, d.Warning))
	}
	all := 0
	for _, n := range last.Kinds {
		all += n
	}
	if more := all - len(last.Drift); more > 0 {
		report = append(report, driftFinding(fmt.Sprintf("%d more differences (checked %s)", more, at), "run pgherald check", false))
	}
	return report
}
