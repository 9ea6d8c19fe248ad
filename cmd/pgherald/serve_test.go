package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServeRejectsTokenFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := file("secret", strings.Repeat("s", 40)+"\n")
	jwt := []string{"--auth=jwt", "--jwt-issuer=i", "--jwt-audience=a"}
	for text, args := range map[string][]string{
		"read and write everything":                        {"--addr=0.0.0.0:0"},
		"--jwt-issuer has no effect":                       {"--jwt-issuer=x"},
		"--write-role has no effect":                       {"--write-role=x"},
		"must be one of":                                   {"--auth=basic"},
		"--auth=jwt needs --jwt-issuer and --jwt-audience": {"--auth=jwt", "--jwt-secret-file=" + secret},
		"needs one of --jwt-secret":                        jwt,
		"--auth=jwt needs one of":                          append(jwt, "--jwt-secret=x", "--jwt-secret-file="+secret),
		"--jwt-secret has 1 bytes":                         append(jwt, "--jwt-secret=x"),
		"there is no block in it":                          append(jwt, "--jwt-keys="+secret),
		`the method "none" does not fit`:                   append(jwt, "--jwt-secret-file="+secret, "--jwt-methods=none"),
		"no such file":                                     append(jwt, "--jwt-keys="+filepath.Join(dir, "absent")),
		"--auth=forward needs --auth-url":                  {"--auth=forward"},
		"--auth-url has no effect without --auth=forward":  {"--auth-url=https://app.example"},
		"--jwt-issuer has no effect without --auth=jwt":    {"--auth=forward", "--auth-url=https://app.example", "--jwt-issuer=x"},
		"http://192.0.2.1/ is not https":                   {"--auth=forward", "--auth-url=http://192.0.2.1/"},
		`"host" cannot be passed on`:                       {"--auth=forward", "--auth-url=https://app.example", "--auth-forward-headers=host"},
		"is not https":                                     append(jwt, "--jwt-jwks=http://192.0.2.1/"),
	} {
		var stdout, stderr bytes.Buffer
		args = append([]string{"serve", "--addr=127.0.0.1:0", "--database-url=postgres://postgres@127.0.0.1:1/x"}, args...)
		if code := run(t.Context(), args, &stdout, &stderr); code == 0 || !strings.Contains(stderr.String(), text) {
			t.Errorf("%v: %d %s, want %q", args, code, stderr.String(), text)
		}
	}
}
