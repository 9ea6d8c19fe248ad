package main

import (
	"encoding/json"
	"fmt"

	"github.com/pgherald/pgherald/cmd/internal/buildinfo"
)

// versionCmd prints the version.
type versionCmd struct {
	JSON bool `name:"json" help:"Print the version, the commit, its date and the version of Go as JSON."`
}

// Run prints the version.
func (c versionCmd) Run(a *app) error {
	info := buildinfo.Read()
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(info)
	}
	_, err := fmt.Fprintln(a.stdout, info)
	return err
}
