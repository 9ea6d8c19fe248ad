package server

import (
	"fmt"

	"github.com/pgherald/pgherald/db/streamstore"
)

// validateSource returns an error if what says where the events come from is wrong: the settings of the database or, with a source, settings that
// need a database, because an operator may rely on them.
func (c Config) validateSource() error {
	if c.Source == "" {
		return c.Database.validate()
	}
	if err := streamstore.Check(c.Source); err != nil {
		return fmt.Errorf("--source: %w", err)
	}
	for _, s := range c.needDatabase() {
		if s.isSet {
			return fmt.Errorf("--%s has no effect with --source: a server with a source has no database. Remove it%s", s.flag, s.remedy)
		}
	}
	return nil
}

// setting is a flag, and whether it is set.
type setting struct {
	flag   string
	isSet  bool
	remedy string // what to do instead
}

// needDatabase returns the settings that need a database.
func (c Config) needDatabase() []setting {
	const toRelay, toServers = ", and give it to pgherald relay", ", and give it to servers with a database"
	d, usual := c.Database, DefaultConfig()
	return []setting{
		{"database-url", d.URL != "", " (DATABASE_URL too), or remove --source"},
		{"listen-database-url", d.ListenURL != "", ""},
		{"activities-database-url", d.ActivitiesURL != "", ""},
		{"spec", d.Spec != "", toRelay}, {"tables", len(d.Tables) > 0, toRelay},
		{"no-migrate", d.NoMigrate, ""}, {"no-apply", d.NoApply, ""},
		{"lock-timeout", d.LockTimeout != usual.Database.LockTimeout, toServers},
		{"retain-age", c.EventLog.RetainAge != usual.EventLog.RetainAge, toServers},
		{"retain-bytes", c.EventLog.RetainBytes != usual.EventLog.RetainBytes, toServers + "; --max-bytes of pgherald relay bounds the stream"},
		{"probe-interval", c.Tuning.ProbeInterval != usual.Tuning.ProbeInterval, toServers},
		{"trigger-check-interval", c.Tuning.TriggerCheckInterval != usual.Tuning.TriggerCheckInterval, toServers},
		{"write-role", c.Tokens.WriteRole != "", toServers}, {"publish-role", c.Tokens.PublishRole != "", toServers},
	}
}
