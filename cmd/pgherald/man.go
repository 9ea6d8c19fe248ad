package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pgherald/pgherald/cmd/internal/buildinfo"
	"github.com/pgherald/pgherald/cmd/internal/manual"
)

// manCmd writes manual pages.
type manCmd struct {
	Command   []string `arg:"" optional:"" help:"The command, such as migrate up. Default: the page of pgherald."`
	Directory string   `type:"path" placeholder:"DIR" help:"Write the pages of all commands into this directory."`
	Epoch     string   `env:"SOURCE_DATE_EPOCH" placeholder:"SECONDS" help:"Date of the pages as seconds since 1970. Default: that of the commit, or now."`
}

// Help returns the text below the flags in --help.
func (manCmd) Help() string {
	return `To read a page without installing it:

    pgherald man serve | man -l -`
}

// Run prints a page or writes all.
func (c manCmd) Run(a *app, command *kong.Context) error {
	at, err := c.time()
	if err != nil {
		return err
	}
	pages := manual.Pages(command.Model, manual.Options{
		Version: buildinfo.Read().Version, Date: at,
		ExitStatus: []manual.ExitStatus{
			{Code: "0", Meaning: "Success."},
			{Code: "1", Meaning: "An error, or what the command says about it."},
			{Code: "2", Meaning: "With plan: there are changes. With doctor: there are errors."},
			{Code: strconv.Itoa(int(exitUsage)), Meaning: "The command line or the settings are wrong."},
		},
	})
	if c.Directory != "" {
		return writePages(c.Directory, pages)
	}
	wanted := strings.Join(c.Command, " ")
	for _, page := range pages {
		if page.Command == wanted {
			_, err := fmt.Fprint(a.stdout, page.Text)
			return err
		}
	}
	return fmt.Errorf("print the manual page: there is no command %q: pgherald --help lists them", wanted)
}

// time returns the date of the pages.
func (c manCmd) time() (time.Time, error) {
	if c.Epoch != "" {
		seconds, err := strconv.ParseInt(c.Epoch, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("read SOURCE_DATE_EPOCH: %w", err)
		}
		return time.Unix(seconds, 0), nil
	}
	if at, err := time.Parse(time.RFC3339, buildinfo.Read().Date); err == nil {
		return at, nil
	}
	return time.Now(), nil
}

func writePages(directory string, pages []manual.Page) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("make the directory of the manual pages: %w", err)
	}
	for _, page := range pages {
		if err := os.WriteFile(filepath.Join(directory, page.File()), []byte(page.Text), 0o644); err != nil {
			return fmt.Errorf("write the manual page of %q: %w", page.Command, err)
		}
	}
	return nil
}
