package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/relay"
)

// relayCmd copies the log into a stream store.
type relayCmd struct {
	databaseFlags `group:"database"`
	specFlags     `group:"database"`
	StreamURL     string        `name:"stream-url" required:"" secret:"url" env:"PGHERALD_STREAM_URL" placeholder:"URL" help:"The stream store: redis://host:6379/0?key=pgherald, rediss:// with TLS, redis+cluster://host1,host2 or redis+sentinel://host1,host2/0?master=name."`
	Name          string        `env:"PGHERALD_RELAY_NAME" placeholder:"NAME" help:"Name of the stream, under which one process has the lease. Default: the key and the servers of the URL."`
	Lease         time.Duration `default:"10s" env:"PGHERALD_RELAY_LEASE" placeholder:"TIME" help:"Time after which another process takes over from one that was killed (default ${default})."`
	MaxBytes      byteSize      `default:"1GiB" env:"PGHERALD_RELAY_MAX_BYTES" placeholder:"SIZE" help:"Size of the stream above which its oldest entries are removed (default ${default}). The log's own limits hold too."`
	MaxEventBytes byteSize      `default:"${default_max_event_bytes}" env:"PGHERALD_MAX_EVENT_BYTES" placeholder:"SIZE" help:"Size of type, key, audience and data above which an event reaches clients without its data (default ${default})."`
	MetricsAddr   string        `env:"PGHERALD_RELAY_METRICS_ADDR" placeholder:"ADDRESS" help:"Address for /metrics and /readyz. It requires no token: keep it on loopback or a private network. Default: none."`
}

// maxRelayName bounds a name, as the table of the leases does.
const maxRelayName = 200

// Help returns the text below the flags in --help.
func (relayCmd) Help() string {
	return `Copies the event log into a stream of Redis or Valkey, transaction by transaction, exactly. The store may be killed, emptied or restored from an old dump: the relay continues or repairs the stream from the log.

Any number of processes may run for a stream: one copies, the others stand by.`
}

// Validate returns an error for invalid flags. kong calls it.
func (c *relayCmd) Validate() error {
	if err := c.watch().Validate(); err != nil {
		return err
	}
	if err := relay.CheckStore(c.StreamURL); c.StreamURL != "" && err != nil { // kong names what is missing
		return err
	}
	if len(c.Name) > maxRelayName {
		return fmt.Errorf("--name has %d bytes, and may have %d", len(c.Name), maxRelayName)
	}
	if c.Lease < time.Second {
		return errors.New("--lease must be 1s at least")
	}
	if c.MaxBytes < 1<<20 {
		return errors.New("--max-bytes must be 1MiB at least")
	}
	return nil
}

// Run copies until a signal arrives.
func (c *relayCmd) Run(a *app) error {
	metrics := relay.NewMetrics()
	stop, err := serveMetrics(a, c.MetricsAddr, metrics.Handler())
	if err != nil {
		return err
	}
	defer stop()
	a.logRedis()
	return relay.Run(a.ctx, relay.Config{
		DatabaseURL: c.DatabaseURL, Watch: c.watch(), StreamURL: c.StreamURL, Name: c.Name, Lease: c.Lease, MaxBytes: int64(c.MaxBytes), EventBytes: int64(c.MaxEventBytes),
		Logger: a.logger, Metrics: metrics,
	})
}
