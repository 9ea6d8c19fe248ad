package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Errors about the database name the settings that name it.
func TestConnectionErrorsNameTheSetting(t *testing.T) {
	t.Setenv("DATABASE_URL", "") // restores it
	os.Unsetenv("DATABASE_URL")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"none":          {[]string{"list"}, int(exitUsage), "missing flags: --database-url=URL: set DATABASE_URL"},
		"serve without": {[]string{"serve"}, int(exitUsage), "--source=URL"},
		"refused":       {[]string{"migrate", "status", "--database-url=postgres://u@127.0.0.1:1/d"}, 1, "connection refused"},
		"serve":         {[]string{"serve", "--wait=0", "--addr=127.0.0.1:0", "--database-url=postgres://u@127.0.0.1:1/d"}, 1, "connection refused"},
		"invalid":       {[]string{"list", "--database-url=postgres://u@127.0.0.1:x/d"}, 1, "invalid port"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), c.args, &out, &errs)
			if text := errs.String(); code != c.code || !strings.Contains(text, c.want) || !strings.Contains(text, "DATABASE_URL") {
				t.Errorf("exit code %d, want %d with %q and DATABASE_URL; got:\n%s", code, c.code, c.want, text)
			}
		})
	}
}
