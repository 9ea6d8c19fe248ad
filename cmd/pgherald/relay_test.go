package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestRelayRejectsFlags checks that flags which can never work are refused before anything connects, without the URL's password.
func TestRelayRejectsFlags(t *testing.T) {
	t.Parallel()
	for text, args := range map[string][]string{
		"--name has 201 bytes":              {"--name=" + strings.Repeat("x", 201)},
		"--lease must be":                   {"--lease=10ms"},
		"--max-bytes must be":               {"--max-bytes=1"},
		"a port must be from 1 to 65535":    {"--stream-url=redis://:hidden@127.0.0.1:70000"},
		"it must be like redis://host:6379": {"--stream-url=http://:hidden@127.0.0.1:1"},
	} {
		var stdout, stderr bytes.Buffer
		args = append([]string{"relay", "--tables=x", "--stream-url=redis://:hidden@127.0.0.1:1", "--database-url=postgres://postgres@127.0.0.1:1/x"}, args...)
		if code := run(t.Context(), args, &stdout, &stderr); code == 0 || !strings.Contains(stderr.String(), text) || strings.Contains(stderr.String(), "hidden") {
			t.Errorf("%v: %d %s, want %q", args, code, stderr.String(), text)
		}
	}
}
