package outages

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// probe writes an event that every client selects, and waits until all that read have it. A reset covers what was
// committed before it, so clients that get one need another event.
func (s *soak) probe(ctx context.Context) error {
	for {
		s.probes++
		written := time.Now()
		if err := s.pair.persist(ctx, fmt.Sprintf(probeSQL, s.token())); err != nil {
			return err
		}
		again := false
		for _, c := range s.clients {
			if !await(ctx, func() bool { return !c.live() || !c.Probe(s.token()).IsZero() || len(c.Resets(written)) > 0 }) {
				s.diagnose(s.token())
				return fmt.Errorf("%s did not receive the event %s: %w", c.Name, s.token(), context.Cause(ctx))
			}
			if err := c.ended(); err != nil {
				return fmt.Errorf("%s ended: %w", c.Name, err)
			}
			again = again || c.live() && c.Probe(s.token()).IsZero()
		}
		if !again {
			return nil
		}
	}
}

// probeSQL may run twice: the answer to its COMMIT may get lost.
const probeSQL = `
do $$
begin
    if not exists (select from soak.probes where token = '%s') then
        delete from soak.probes;
        insert into soak.probes (id, token) values ('probe', '%[1]s');
    end if;
end
$$`

// diagnose logs what clients and servers do when an event does not arrive.
func (s *soak) diagnose(token string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range s.clients {
		c.mu.Lock()
		s.t.Logf("%s at %s: has it %t, reading %t, paused %t, heard %s ago, refused %v; %s", c.Name, c.servers[c.home].host,
			!c.Probe(token).IsZero(), c.reading, c.paused, time.Since(c.heard), c.refused, c.Describe())
		c.mu.Unlock()
	}
	for _, r := range s.servers() {
		out, err := s.net.run(ctx, hostClients, "", "curl", "-s", "-m", "5", r.url()+"/api/stats")
		s.t.Logf("%s: ready %d, %s %v", r.host, r.status(ctx, "/readyz"), out, err)
	}
	out, err := s.net.run(ctx, hostWriters, "", "psql", "-X", s.pair.url("postgres"), "-c",
		`select pid, usename, application_name, state, wait_event, now() - xact_start as xact, now() - query_start as query, left(query, 60) from pg_stat_activity where backend_type = 'client backend' order by xact_start`,
		"-c", "select id, xid, at, type from pgherald.events order by id desc limit 5", "-c", "select * from soak.probes")
	s.t.Logf("PostgreSQL: %s %v", out, err)
}

// logResets logs the resets since a moment, long before the verdict.
func (s *soak) logResets(since time.Time) {
	for _, c := range s.clients {
		for _, r := range c.Resets(since) {
			s.t.Logf("%s got a reset at %s: %s", c.Name, r.At.Format("15:04:05.000"), r.Reason)
		}
	}
}

func (s *soak) token() string { return fmt.Sprint("probe-", s.probes) }

// measure returns how long the clients waited for the probe after a fault was healed, and their longest gap.
func (s *soak) measure(f fault, from, healed, to time.Time) measured {
	s.t.Helper()
	var m measured
	for _, c := range s.clients {
		at := c.Probe(s.token())
		if !c.live() || at.IsZero() {
			continue
		}
		m.waits = append(m.waits, max(0, at.Sub(healed)))
		if m.waits[len(m.waits)-1] == slices.Max(m.waits) {
			m.last = c.Name
		}
		if len(c.Filter.Types)+len(c.Filter.Keys)+len(c.Filter.Where) > 0 {
			continue // no event of its own for a while is no gap
		}
		gap := c.LongestGap(from, to)
		if gap.Length() > m.gap {
			m.gap, m.warned = gap.Length(), gap.Warned
		}
		if f.blind && s.stalls.isSilence(gap) {
			s.t.Errorf("%s: %s received no event for %s, and no sync of the mode stale", f.name, c.Name, gap.Length())
		}
	}
	return m
}
