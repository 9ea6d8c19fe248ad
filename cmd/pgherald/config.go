package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/pgherald/pgherald/cmd/internal/configfile"
)

// configFlags name the config file. The resolver of package configfile reads it.
type configFlags struct {
	Config string `env:"PGHERALD_CONFIG" placeholder:"FILE" help:"YAML file with settings. Its keys are the names of the flags of pgherald serve."`
}

// configCmd holds the commands for settings. They take the flags of pgherald serve.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check the settings and the files that they name. Exit code 1 or 64 if something is wrong."`
	Print configPrintCmd `cmd:"" help:"Print the settings as a config file, with the source of each and without secrets."`
}

type configCheckCmd struct{ serverFlags }

// Run checks the files. kong has checked the values.
func (c *configCheckCmd) Run(a *app) error {
	if err := c.config().CheckFiles(a.ctx, a.logger); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.stdout, "the settings are valid")
	return err
}

type configPrintCmd struct{ serverFlags }

// Run prints the settings.
func (c *configPrintCmd) Run(a *app, settings *configfile.Resolver, command *kong.Context) error {
	return settings.Print(a.stdout, command)
}
