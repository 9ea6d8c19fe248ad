package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/health"
)

// healthcheckCmd asks a server whether it is well. It reads the address from the same flags, variables and file as
// pgherald serve, so that it finds the server of its container or unit without arguments.
type healthcheckCmd struct {
	configFlags
	URL     string        `placeholder:"URL" help:"Base URL of the server to ask. Default: the one on --addr of this machine."`
	Addr    string        `default:"${default_addr}" env:"PGHERALD_ADDR" placeholder:"ADDRESS" help:"Address that the server listens on (default ${default})."`
	TLSCert string        `env:"PGHERALD_TLS_CERT" placeholder:"FILE" help:"Certificate of the server. If it is set, the check uses HTTPS; the file is not read."`
	Check   string        `enum:"livez,readyz,readyz/fresh,readyz/events" default:"livez" help:"What to ask (${enum}): livez whether it answers, readyz whether it accepts streams, readyz/events whether events arrive."`
	Timeout time.Duration `default:"3s" placeholder:"TIME" help:"Time that the answer may take (default ${default})."`
	Quiet   bool          `short:"q" help:"Print nothing on success."`
}

// Validate returns an error for invalid flags. kong calls it.
func (c *healthcheckCmd) Validate() error {
	if c.Timeout <= 0 {
		return errors.New("--timeout must be more than 0")
	}
	if c.URL != "" && !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return errors.New("--url must begin with http:// or https://")
	}
	return nil
}

// Run prints the answer. The exit code is 0 if the server is well, and 1 if it is not or does not answer.
func (c *healthcheckCmd) Run(a *app) error {
	answer, err := health.Check(a.ctx, health.Config{
		URL: c.URL, Addr: c.Addr, TLS: c.TLSCert != "", Path: "/" + c.Check, Timeout: c.Timeout,
	})
	if err != nil || c.Quiet {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, answer)
	return err
}
