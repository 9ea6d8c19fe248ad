package main

import (
	"fmt"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/doctor"
)

// doctorCmd looks for what keeps events from clients.
type doctorCmd struct {
	watchFlags
	URL    string        `placeholder:"URL" help:"Public URL of a server, to check the proxies before it too."`
	Cookie string        `secret:"text" env:"PGHERALD_COOKIE" placeholder:"TEXT" help:"Cookie for the stream, such as session=…, where the server asks an application for sessions."`
	Token  string        `secret:"text" env:"PGHERALD_TOKEN" placeholder:"TEXT" help:"Token for the stream, where the server checks tokens. Other users can read a command line: use the variable."`
	Watch  time.Duration `default:"35s" placeholder:"TIME" help:"How long to observe the stream of --url (default ${default}): longer than a heartbeat."`
	JSON   bool          `name:"json" help:"Print the findings as JSON."`
}

// Run prints the findings. The exit code is 0 if all is fine, 1 after warnings, and 2 after errors.
func (c doctorCmd) Run(a *app) error {
	if err := c.watch().Validate(); err != nil {
		return err
	}
	spec, _, err := c.watch().Load()
	if err != nil {
		return err
	}
	absent := ""
	if c.watch().IsExample() {
		absent = forgottenSpec
	}
	report := doctor.Database(a.ctx, c.DatabaseURL, spec, absent)
	if err := c.printNow(a, report); err != nil {
		return err
	}
	if c.URL != "" {
		fmt.Fprintf(a.stderr, "doctor: observing the stream of --url for %v\n", c.Watch)
		stream := doctor.Stream(a.ctx, c.URL, doctor.Credentials{Token: c.Token, Cookie: c.Cookie}, c.Watch)
		if err := c.printNow(a, stream); err != nil {
			return err
		}
		report = append(report, stream...)
	}
	if c.JSON {
		if err := report.PrintJSON(a.stdout); err != nil {
			return err
		}
	}
	if worst := report.Worst(); worst > doctor.Fine {
		return exitCode(worst)
	}
	return nil
}

// printNow prints findings before the next ones are known; JSON is one array, printed at the end.
func (c doctorCmd) printNow(a *app, findings doctor.Report) error {
	if c.JSON {
		return nil
	}
	return findings.Print(a.stdout)
}
