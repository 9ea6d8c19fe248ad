package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/buildinfo"
	"github.com/pgherald/pgherald/cmd/internal/forward"
	"github.com/pgherald/pgherald/triggers"
)

// forwardCmd holds the commands for services that receive events.
type forwardCmd struct {
	Run    forwardRunCmd    `cmd:"" default:"withargs" help:"Send events to a service until Ctrl-C. This is the default."`
	List   forwardListCmd   `cmd:"" help:"List the events that a service has refused."`
	Replay forwardReplayCmd `cmd:"" help:"Send refused events again."`
	Drop   forwardDropCmd   `cmd:"" help:"Remove refused events: they are never sent."`
}

// consumerFlags name a consumer.
type consumerFlags struct {
	configFlags
	databaseFlags `group:"database"`
	Name          string `required:"" env:"PGHERALD_FORWARD_NAME" placeholder:"NAME" help:"Name of the consumer: its position is stored under it in pgherald.consumers."`
}

type forwardRunCmd struct {
	consumerFlags
	specFlags   `group:"database"`
	To          string        `required:"" secret:"url" env:"PGHERALD_FORWARD_TO" placeholder:"URL" help:"Where to send events: https://…, redis://host:6379?stream=name (also rediss, valkey, redis+cluster, redis+sentinel), or nats://host:4222?subject=name (also tls) of a stream of JetStream."`
	AllowHTTP   bool          `name:"allow-http" env:"PGHERALD_FORWARD_ALLOW_HTTP" help:"Permit http:// beyond loopback, inside a private network."`
	Secret      string        `secret:"text" env:"PGHERALD_FORWARD_SECRET" placeholder:"TEXT" help:"Secret for the signatures of Standard Webhooks, as whsec_… or base64; several, separated by spaces, while one replaces another. Other users can read a command line: use the variable or --secret-file."`
	SecretFile  string        `type:"existingfile" env:"PGHERALD_FORWARD_SECRET_FILE" placeholder:"FILE" help:"File with the secret."`
	Unsigned    bool          `env:"PGHERALD_FORWARD_UNSIGNED" help:"Send without signatures."`
	Types       []string      `env:"PGHERALD_FORWARD_TYPES" placeholder:"TYPE" help:"Send events of these types only."`
	Collection  string        `env:"PGHERALD_FORWARD_COLLECTION" placeholder:"NAME" help:"Send what changes the rows of this collection only."`
	Where       []string      `sep:"none" env:"PGHERALD_FORWARD_WHERE" placeholder:"FIELD=CONDITION" help:"Condition for the rows, such as status=in.(open,paid); repeatable."`
	From        string        `default:"now" env:"PGHERALD_FORWARD_FROM" placeholder:"START" help:"Where a new consumer begins: now, oldest, or a cursor (default ${default}). An existing one continues."`
	OnReset     string        `enum:"stop,continue" default:"stop" env:"PGHERALD_FORWARD_ON_RESET" help:"What to do if the log no longer reaches back to the position (${enum}): stop with an error, or send a sync event that says so and continue now."`
	Batch       int           `default:"1" env:"PGHERALD_FORWARD_BATCH" placeholder:"N" help:"Most events in one request (default ${default}). With more than 1, each body of a webhook is an array."`
	Parallel    int           `default:"8" env:"PGHERALD_FORWARD_PARALLEL" placeholder:"N" help:"Most requests at the same time (default ${default}). Events of one key never overlap."`
	Attempts    int           `default:"8" env:"PGHERALD_FORWARD_ATTEMPTS" placeholder:"N" help:"Refusals of an event, while the service acknowledges others, until it is parked (default ${default})."`
	MaxParked   int           `default:"1000" env:"PGHERALD_FORWARD_MAX_PARKED" placeholder:"N" help:"Most parked events; then a refused event holds up the others (default ${default})."`
	Timeout     time.Duration `default:"15s" env:"PGHERALD_FORWARD_TIMEOUT" placeholder:"TIME" help:"Time for a request (default ${default})."`
	Lease       time.Duration `default:"15s" env:"PGHERALD_FORWARD_LEASE" placeholder:"TIME" help:"Time after which another process with the same name takes over from one that was killed (default ${default})."`
	MetricsAddr string        `env:"PGHERALD_FORWARD_METRICS_ADDR" placeholder:"ADDRESS" help:"Address for /metrics. It requires no token: keep it on loopback or a private network. Default: none."`
}

// Help returns the text below the flags in --help.
func (forwardRunCmd) Help() string {
	return `Sends each event as a POST with the envelope of a stream as JSON, at least once, in the order of the log for each key. A status of 2xx acknowledges it. The header webhook-id is the same for each attempt: use it to find repeats. A stream of Redis gets it as a field, one of NATS as Nats-Msg-Id.

Any number of processes may run with the same name: one sends, the others stand by. After an apply that changes the collections they go on if their spec is the applied one; otherwise they end, to be started again with it.`
}

// Validate returns an error for invalid flags. kong calls it.
func (c *forwardRunCmd) Validate() error {
	for _, n := range []struct {
		flag            string
		value, min, max int
	}{{"batch", c.Batch, 1, 1000}, {"parallel", c.Parallel, 1, 256}, {"attempts", c.Attempts, 1, 1000}, {"max-parked", c.MaxParked, 0, 100_000}} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("--%s must be from %d to %d", n.flag, n.min, n.max)
		}
	}
	if c.Timeout <= 0 || c.Lease < time.Second {
		return errors.New("--timeout must be more than 0, and --lease 1s at least")
	}
	if c.To == "" {
		return nil // kong names what is missing
	}
	_, err := c.target()
	if err == nil {
		_, err = c.filter()
	}
	return err
}

func (c *forwardRunCmd) target() (*forward.Target, error) {
	to, err := forward.ParseTarget(c.To, c.AllowHTTP)
	if err == nil && !to.IsWebhook() && (c.Secret != "" || c.SecretFile != "" || c.Unsigned || c.AllowHTTP) {
		return nil, errors.New("name the receiver: --secret, --secret-file, --unsigned and --allow-http, or their variables, are for https; Redis and NATS get no signatures")
	}
	return to, err
}

// filter returns the parameters of a stream with the same filter.
func (c *forwardRunCmd) filter() (map[string][]string, error) {
	params := map[string][]string{}
	if len(c.Types) > 0 {
		params["types"] = []string{strings.Join(c.Types, ",")}
	}
	if c.Collection != "" {
		params["collection"] = []string{c.Collection}
	}
	for _, w := range c.Where {
		field, condition, found := strings.Cut(w, "=")
		if !found || field == "" {
			return nil, fmt.Errorf("--where=%s: give FIELD=CONDITION, such as status=in.(open,paid)", w)
		}
		params["where."+field] = append(params["where."+field], condition)
	}
	return params, nil
}

// secrets returns the secrets of a webhook, which must have some or be unsigned.
func (c *forwardRunCmd) secrets(isWebhook bool) ([]string, error) {
	text := c.Secret
	if c.SecretFile != "" {
		if text != "" {
			return nil, errors.New("read the secret: give --secret-file or PGHERALD_FORWARD_SECRET, not both")
		}
		content, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("read the secret: %w", err)
		}
		text = string(content)
	}
	secrets, err := forward.ParseSecrets(text)
	if err == nil && isWebhook && (len(secrets) == 0) != c.Unsigned {
		err = errors.New("sign the requests: set PGHERALD_FORWARD_SECRET or --secret-file, or else --unsigned")
	}
	return secrets, err
}

// Run forwards until a signal arrives.
func (c *forwardRunCmd) Run(a *app) error {
	to, _ := c.target() // Validate has checked it
	filter, _ := c.filter()
	secrets, err := c.secrets(to.IsWebhook())
	if err != nil {
		return err
	}
	if err := c.watch().Validate(); err != nil {
		return err
	}
	a.logRedis()
	metrics := forward.NewMetrics(c.Name)
	stop, err := serveMetrics(a, c.MetricsAddr, metrics.Handler())
	if err != nil {
		return err
	}
	defer stop()
	return forward.Run(a.ctx, forward.Config{
		DatabaseURL: c.DatabaseURL, LoadSpec: c.loadSpec, Name: c.Name, To: to, Secrets: secrets, Filter: filter, Start: c.From,
		ContinueOnReset: c.OnReset == "continue", Batch: c.Batch, Parallel: c.Parallel, Attempts: c.Attempts, MaxParked: c.MaxParked,
		Timeout: c.Timeout, Lease: c.Lease, Poll: pollInterval, Version: buildinfo.Read().Version, Logger: a.logger, Metrics: metrics,
	})
}

func (c *forwardRunCmd) loadSpec() (triggers.Spec, error) {
	spec, _, err := c.watch().Load()
	return spec, err
}

// pollInterval is the time between two looks at the log without a wake-up.
const pollInterval = 5 * time.Second
