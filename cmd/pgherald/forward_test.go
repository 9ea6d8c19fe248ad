package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestForwardRejectsFlags checks that flags which do not fit the receiver are refused before anything connects, without the URL's password.
func TestForwardRejectsFlags(t *testing.T) {
	t.Parallel()
	const redis, nats = "--to=redis://:hidden@127.0.0.1:1?stream=s", "--to=nats://u:hidden@127.0.0.1:1?subject=s"
	for text, args := range map[string][]string{
		"set PGHERALD_FORWARD_SECRET or": {"--to=https://billing.example/"},
		"get no signatures":              {redis, "--unsigned"},
		"--secret-file, --unsigned and":  {nats, "--secret=hidden"},
		"are for https":                  {nats, "--allow-http"},
		"add ?stream=name":               {"--to=redis://:hidden@127.0.0.1:1"},
		"add ?subject=name":              {"--to=nats://:hidden@127.0.0.1:1"},
		`the scheme "amqp" is not`:       {"--to=amqp://127.0.0.1"},
	} {
		var stdout, stderr bytes.Buffer
		args = append([]string{"forward", "--name=billing", "--tables=x", "--database-url=postgres://postgres@127.0.0.1:1/x"}, args...)
		if code := run(t.Context(), args, &stdout, &stderr); code == 0 || !strings.Contains(stderr.String(), text) || strings.Contains(stderr.String(), "hidden") {
			t.Errorf("%v: %d %s, want %q", args, code, stderr.String(), text)
		}
	}
}
