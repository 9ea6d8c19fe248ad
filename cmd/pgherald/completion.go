package main

import (
	"github.com/alecthomas/kong"

	"github.com/pgherald/pgherald/cmd/internal/completion"
)

// completionCmd prints completions.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// Help returns the text below the flags in --help.
func (completionCmd) Help() string {
	return `The packages for Debian and Red Hat install them. Otherwise:

    bash: pgherald completion bash >/etc/bash_completion.d/pgherald
    zsh:  pgherald completion zsh >"${fpath[1]}/_pgherald"
    fish: pgherald completion fish >~/.config/fish/completions/pgherald.fish`
}

// Run prints the script.
func (c completionCmd) Run(a *app, command *kong.Context) error {
	return completion.Write(a.stdout, c.Shell, command.Model)
}
