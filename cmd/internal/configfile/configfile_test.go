package configfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// program is a command line with a flag of each kind.
type program struct {
	LogFormat string `enum:"text,json" default:"text" env:"T_LOG_FORMAT"`
	Serve     struct {
		Config    string        `env:"T_CONFIG"`
		Heartbeat time.Duration `group:"tuning" default:"30s" env:"T_HEARTBEAT"`
		Count     int           `group:"tuning" default:"1"`
		Rate      float64       `default:"0"`
		Origins   []string      `default:"*" env:"T_ORIGINS"`
		H2C       bool          `name:"h2c"`
		File      string        `type:"existingfile"`
		Secret    string        `secret:"text"`
		URL       string        `name:"url" secret:"url"`
	} `cmd:""`
	Other struct {
		Config string
		Count  int
		Own    string
	} `cmd:""`
	Plain struct{} `cmd:""`
}

// parse parses a command line with a config file of the given text. FILE in args is the file's name.
func parse(t *testing.T, text string, args ...string) (program, *Resolver, *kong.Context, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var p program
	r := &Resolver{Command: "serve"}
	parser, err := kong.New(&p, r.Option(), kong.ExplicitGroups([]kong.Group{{Key: "tuning", Title: "Tuning"}}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", name)
	}
	ctx, err := parser.Parse(args)
	return p, r, ctx, err
}

func TestPrecedence(t *testing.T) {
	const text = "heartbeat: 3s\nlog-format: json\norigins: [a, b]\n"
	for name, c := range map[string]struct {
		env       map[string]string
		args      []string
		heartbeat time.Duration
	}{
		"default":                       {nil, nil, 30 * time.Second},
		"file before default":           {nil, []string{"--config=FILE"}, 3 * time.Second},
		"variable before file":          {map[string]string{"T_HEARTBEAT": "2s"}, []string{"--config=FILE"}, 2 * time.Second},
		"flag before variable":          {map[string]string{"T_HEARTBEAT": "2s"}, []string{"--config=FILE", "--heartbeat=1s"}, time.Second},
		"flag before file":              {nil, []string{"--heartbeat=1s", "--config=FILE"}, time.Second},
		"flag with the default's value": {nil, []string{"--heartbeat=30s", "--config=FILE"}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.env {
				t.Setenv(key, value)
			}
			p, _, _, err := parse(t, text, append([]string{"serve"}, c.args...)...)
			if err != nil || p.Serve.Heartbeat != c.heartbeat {
				t.Errorf("heartbeat is %v, %v; want %v", p.Serve.Heartbeat, err, c.heartbeat)
			}
			if fromFile := len(c.args) > 0; fromFile != (p.LogFormat == "json") {
				t.Errorf("the program's own flag is %q", p.LogFormat)
			}
		})
	}
}

func TestVariableNamesTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(name, []byte("count: 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("T_CONFIG", name)
	if p, _, _, err := parse(t, "", "serve"); err != nil || p.Serve.Count != 7 {
		t.Errorf("count is %d, %v", p.Serve.Count, err)
	}
	if _, _, _, err := parse(t, "", "plain"); err != nil {
		t.Errorf("a command without the flag: %v", err)
	}
}

func TestTypes(t *testing.T) {
	p, _, _, err := parse(t, `---
# a comment
count: 7 # another
rate: 0.5
origins:
  - https://a.example
  - "b,c"
h2c: true
secret: &anchor |
  two
  lines
url: 'quoted'
`, "serve", "--config=FILE")
	if err != nil {
		t.Fatal(err)
	}
	s := p.Serve
	if s.Count != 7 || s.Rate != 0.5 || !s.H2C || s.Secret != "two\nlines\n" || s.URL != "quoted" {
		t.Errorf("parsed %+v", s)
	}
	if diff := cmp.Diff([]string{"https://a.example", "b,c"}, s.Origins); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
	for _, text := range []string{"", "# only a comment\n", "origins: a,b\n"} {
		if _, _, _, err := parse(t, text, "serve", "--config=FILE"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestErrorsNameFileLineAndKey(t *testing.T) {
	for text, want := range map[string]string{
		"\nheartbeet: 3s":          `f.yaml:2: unknown key "heartbeet", did you mean "heartbeat"?`,
		"log_format: json":         `f.yaml:1: unknown key "log_format", did you mean "log-format"?`,
		"zzzzzzzz: 1":              `f.yaml:1: unknown key "zzzzzzzz"`,
		"config: other.yaml":       `unknown key "config"`,
		"own: of another command":  `unknown key "own"`,
		"heartbeat: soon":          `f.yaml:1: heartbeat: `,
		"heartbeat: 30":            `f.yaml:1: heartbeat: `,
		"count: many":              `f.yaml:1: count: `,
		"count: 1.5":               `f.yaml:1: count: `,
		"h2c: perhaps":             `f.yaml:1: h2c: `,
		"log-format: xml":          `f.yaml:1: log-format: must be one of text, json, not "xml"`,
		"count: [1]":               `f.yaml:1: count: want one value, not a list`,
		"origins: [[a]]":           `f.yaml:1: origins: want a list of plain values`,
		"origins: {a: b}":          `f.yaml:1: origins: want a value or a list of values`,
		"\n\nfile: absent.yaml":    `f.yaml:3: file: `,
		"secret:":                  `f.yaml:1: secret: has no value`,
		"secret: null":             `f.yaml:1: secret: has no value`,
		"count: 1\ncount: 2":       `f.yaml:2: `,
		"- count":                  `f.yaml:1: want a list of NAME: VALUE`,
		"count: 1\n---\ncount: 2":  `f.yaml: has 2 documents, want one`,
		"count: 'x":                `f.yaml:1: read YAML: `,
		"count: a\nheartbeat: b\n": "f.yaml:2: heartbeat: ",
	} {
		_, _, _, err := parse(t, text, "serve", "--config=FILE")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, _, _, err := parse(t, "", "serve", "--config=FILE.absent"); err == nil || !strings.Contains(err.Error(), "read the config file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestOtherCommandsReadTheSameFile(t *testing.T) {
	p, _, _, err := parse(t, "count: 7\nheartbeat: 3s\n", "other", "--config=FILE")
	if err != nil || p.Other.Count != 7 {
		t.Errorf("count is %d, %v", p.Other.Count, err)
	}
}

func TestPrint(t *testing.T) {
	t.Setenv("T_ORIGINS", "https://a.example,b")
	_, r, ctx, err := parse(t, "count: 7\nsecret: hidden\n", "serve", "--config=FILE", "--url=postgres://u:hidden@h/d", "--heartbeat=90m")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.Print(&out, ctx); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		line = strings.ReplaceAll(line, filepath.Dir(r.file.name)+string(filepath.Separator), "")
		if got = append(got, strings.Join(strings.Fields(line), " ")); strings.Contains(line, "hidden") {
			t.Errorf("a secret is printed: %s", line)
		}
	}
	want := []string{
		"# Tuning", "heartbeat: 1h30m # --heartbeat", "count: 7 # f.yaml:1",
		"rate: 0.0 # default", "origins: [https://a.example, b] # $T_ORIGINS", "h2c: false # default", "# file: # not set",
		"# secret: REDACTED # f.yaml:2", `url: "postgres://u:REDACTED@h/d" # --url`, "log-format: text # default",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	if _, _, _, err := parse(t, out.String(), "serve", "--config=FILE"); err != nil {
		t.Errorf("read what was printed: %v", err)
	}
}

func TestRedactURL(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://h/d":                                  "postgres://h/d",
		"postgres://u@h/d?sslmode=require":                "postgres://u@h/d?sslmode=require",
		"postgres://u:hidden@h:5432/d":                    "postgres://u:REDACTED@h:5432/d",
		"postgres://h/d?user=u&password=hidden":           "postgres://h/d?password=REDACTED&user=u",
		"postgres://u:hidden@h:1,h:2/d":                   "postgres://u:REDACTED@h:1,h:2/d",
		"postgres://u:hidden@h:port/d":                    "REDACTED",
		"host=h password=hidden user=u":                   "host=h password=REDACTED user=u",
		`host=h password = 'hid \' den' user=u`:           "host=h password = REDACTED user=u",
		"sslpassword=hidden host=h":                       "sslpassword=REDACTED host=h",
		"hidden":                                          "REDACTED",
		"https://issuer.example/.well-known/jwks.json":    "https://issuer.example/.well-known/jwks.json",
		"nats://token@h:4222?subject=s":                   "nats://" + Redacted + "@h:4222?subject=s",
		"redis+sentinel://h?sentinel_password=x&stream=s": "redis+sentinel://h?sentinel_password=" + Redacted + "&stream=s",
	} {
		if got := redactURL(text); got != want {
			t.Errorf("redactURL(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "24h", 90 * time.Minute: "1h30m", time.Minute: "1m", 61 * time.Second: "1m1s", 250 * time.Millisecond: "250ms", 0: "0s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}
