package demo

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestWriteCommandInBash pastes the command into an interactive bash, which expands ! in double quotes.
func TestWriteCommandInBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(t.TempDir(), "with a space!")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	psql := filepath.Join(dir, "psql")
	if err := os.WriteFile(psql, []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"postgres://postgres@127.0.0.1:5432/pgherald?sslmode=disable",
		"postgres://u:it's!!$(touch)@127.0.0.1/x?application_name=';touch%20canary;'$(touch)`touch`’;touch;‘",
		"host=127.0.0.1 password='a !! b\\'c'",
	} {
		command := writeCommand("127.0.0.1:8080", database{psql: psql, url: url})
		run := exec.CommandContext(t.Context(), bash, "--norc", "--noprofile", "-i")
		run.Dir, run.Env, run.Stdin = dir, []string{"PATH=" + os.Getenv("PATH"), "PS1="}, strings.NewReader("touch first\n"+command+"\n")
		out, err := run.Output()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		args := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		if len(args) != 3 || args[1] != "-c" || !strings.HasPrefix(args[2], "insert into activities ") || !isSame(t, args[0], url) {
			t.Errorf("%s runs psql with %q", command, args)
		}
		if _, err := os.Stat(filepath.Join(dir, "canary")); err == nil {
			t.Errorf("%s runs a part of the URL", command)
		}
		// PowerShell takes these for quotes, too.
		if strings.HasPrefix(url, "postgres:") && strings.ContainsAny(strings.TrimPrefix(command, quoteProgram(psql)), "‘’‚‛") {
			t.Errorf("%s contains quotes of PowerShell", command)
		}
	}
}

// isSame reports whether two connection strings mean the same.
func isSame(t *testing.T, a, b string) bool {
	t.Helper()
	var parsed [2]*pgx.ConnConfig
	for i, text := range []string{a, b} {
		var err error
		if parsed[i], err = pgx.ParseConfig(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return parsed[0].Password == parsed[1].Password && parsed[0].Database == parsed[1].Database && maps.Equal(parsed[0].RuntimeParams, parsed[1].RuntimeParams)
}
