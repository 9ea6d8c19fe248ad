package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/cmd/internal/server"
)

// writeFile writes a file and returns its name.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// parseServe returns the settings of pgherald serve with these arguments.
func parseServe(t *testing.T, args ...string) server.Config {
	t.Helper()
	var c cli
	parser, err := newParser(&c, newResolver())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		t.Fatal(err)
	}
	return c.Serve.config()
}

func TestFlagsHaveTheDefaultsOfTheServer(t *testing.T) {
	want := server.DefaultConfig()
	want.Database.URL = "postgres://h/d"
	if diff := cmp.Diff(want, parseServe(t, "--database-url=postgres://h/d")); diff != "" {
		t.Errorf("DefaultConfig and the flags differ (-want +got):\n%s", diff)
	}
}

func TestServeReadsTheConfigFile(t *testing.T) {
	file := writeFile(t, "pgherald.yaml", `
database-url: postgres://file/d
heartbeat: 11s
drain: 12s
write-timeout: 13s
feed-bytes: 1GiB
cors-origins: [https://a.example, https://b.example]
h2c: true
`)
	t.Setenv("PGHERALD_DRAIN", "22s")
	t.Setenv("PGHERALD_WRITE_TIMEOUT", "23s")
	want := server.DefaultConfig()
	want.Database.URL = "postgres://file/d"
	want.Tuning.Heartbeat, want.Tuning.Drain, want.Tuning.WriteTimeout = 11*time.Second, 22*time.Second, 33*time.Second
	want.Tuning.FeedBytes = 1 << 30
	want.Limits.Origins, want.Listen.H2C = []string{"https://a.example", "https://b.example"}, true
	if diff := cmp.Diff(want, parseServe(t, "--config="+file, "--write-timeout=33s")); diff != "" {
		t.Errorf("flags before variables before file before defaults (-want +got):\n%s", diff)
	}
}

func TestConfigCheck(t *testing.T) {
	secret := writeFile(t, "secret", strings.Repeat("s", 40))
	const database = "database-url: postgres://h/d\n"
	for name, c := range map[string]struct {
		file string
		args []string
		code int
		want string
	}{
		"valid":                {database, nil, 0, "the settings are valid"},
		"flags only":           {"", []string{"--database-url=postgres://h/d"}, 0, "the settings are valid"},
		"no database":          {"heartbeat: 3s", nil, 64, "--database-url"},
		"unknown key":          {database + "heartbeet: 3s", nil, 64, `:2: unknown key "heartbeet", did you mean "heartbeat"?`},
		"demo's key":           {database + "simulate: 3", nil, 64, `unknown key "simulate"`},
		"wrong type":           {database + "feed-bytes: lots", nil, 64, `:2: feed-bytes: "lots" is not a size`},
		"wrong value":          {database + "heartbeat: 0s", nil, 64, "--heartbeat must be more than 0"},
		"without effect":       {database + "write-role: r", nil, 64, "--write-role has no effect"},
		"a public address":     {database + "addr: 0.0.0.0:80", nil, 1, "read and write everything"},
		"a secret too many":    {database, []string{"--auth=jwt", "--jwt-issuer=i", "--jwt-audience=a", "--jwt-secret=x", "--jwt-secret-file=" + secret}, 64, "--auth=jwt needs one of"},
		"a bad certificate":    {database, []string{"--tls-cert=" + secret, "--tls-key=" + secret}, 1, "read the certificate"},
		"an edge":              {"source: redis://h/0?key=k\n", nil, 0, "the settings are valid"},
		"a bad source":         {"source: redis://h/0?kay=k\n", nil, 64, `the parameter "kay" is not known`},
		"two sources":          {database + "source: redis://h/0\n", nil, 64, "--database-url has no effect with --source: a server with a source has no database. Remove it (DATABASE_URL too), or remove --source"},
		"a spec at an edge":    {"source: redis://h/0\ntables: orders\n", nil, 64, "--tables has no effect with --source: a server with a source has no database. Remove it, and give it to pgherald relay"},
		"an edge that applies": {"source: redis://h/0\nretain-age: 1h\n", nil, 64, "give it to servers with a database"},
		"a bad spec":           {database, []string{"--spec=" + secret}, 1, "read the spec"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := append([]string{"config", "check", "--config=" + writeFile(t, "f.yaml", c.file)}, c.args...)
			code := run(t.Context(), args, &stdout, &stderr)
			if out := stdout.String() + stderr.String(); code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, c.code, c.want, out)
			}
		})
	}
}

func TestConfigPrint(t *testing.T) {
	t.Setenv("PGHERALD_JWT_SECRET", strings.Repeat("hidden", 8))
	t.Setenv("PGHERALD_LISTEN_DATABASE_URL", "host=h password=hidden")
	file := writeFile(t, "f.yaml", "database-url: postgres://u:hidden@h/d\nauth: jwt\nretain-age: 90m\nfeed-bytes: 1536KiB\n")
	args := []string{"--config=" + file, "--jwt-issuer=i", "--jwt-audience=a", "--max-connections=9"}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"config", "print"}, args...), &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, stderr.String())
	}
	lines := strings.Fields(strings.ReplaceAll(stdout.String(), file, "FILE"))
	text := strings.Join(lines, " ")
	for _, want := range []string{
		`database-url: "postgres://u:REDACTED@h/d" # FILE:1`, "auth: jwt # FILE:2", "retain-age: 1h30m # FILE:3", "feed-bytes: 1536KiB # FILE:4",
		"# jwt-secret: REDACTED # $PGHERALD_JWT_SECRET", "listen-database-url: host=h password=REDACTED # $PGHERALD_LISTEN_DATABASE_URL",
		"max-connections: 9 # --max-connections", "heartbeat: 8s # default", "# spec: # not set",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(text, "hidden") {
		t.Error("a secret is printed")
	}
	if t.Failed() {
		t.Log(stdout.String())
	}
	t.Setenv("PGHERALD_LISTEN_DATABASE_URL", "")
	again := parseServe(t, "--config="+writeFile(t, "printed.yaml", stdout.String()))
	if again.EventLog.RetainAge != 90*time.Minute || again.Tuning.FeedBytes != 1536<<10 || again.Limits.Connections != 9 {
		t.Errorf("the printed file has other settings: %+v", again)
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{"0": 0, "1000": 1000, "1KiB": 1 << 10, "1.5MiB": 3 << 19, "2 GiB": 2 << 30} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
		var again byteSize
		if err := again.UnmarshalText([]byte(want.String())); err != nil || again != want {
			t.Errorf("%s is %d, %v; want %d", want, again, err, want)
		}
	}
	for _, text := range []string{"", "-1", "MiB", "1TB", "1e300GiB"} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, b)
		}
	}
}
