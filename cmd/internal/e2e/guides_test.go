//go:build unix

package e2e

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// guideNames lists the guides of docs/migrate whose examples run.
var guideNames = []string{"supabase", "electric", "sequin", "pg_eventserv"}

// codeBlock finds the blocks of a page. What follows the language, such as "before", makes it another one: such code is of
// the other tool.
var codeBlock = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// block is one code block of a page.
type block struct{ language, code string }

// blocksOf returns the code blocks of a page.
func blocksOf(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, found := range codeBlock.FindAllSubmatch(text, -1) {
		blocks = append(blocks, block{string(found[1]), string(found[2])})
	}
	return blocks
}

// TestMigrationGuides runs the examples of docs/migrate, the script of README.md, the requests of docs/protocol.md and the
// queries of docs/operations.md against one server, whose spec has the tables of all of them: the statements in psql, commands and programs beside them,
// and compares what these print.
func TestMigrationGuides(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyDatabase(t)
	pages := map[string][]block{}
	pgtest.Psql(t, url, `create table public.orders (id bigint generated always as identity primary key, status text, total numeric, customer bigint)`)
	spec := "tables:\n  - { name: public.orders, collection: orders, filter: '*' }\n"
	for _, name := range guideNames {
		blocks := blocksOf(t, "../../../docs/migrate/"+name+".md")
		if len(blocks) == 0 || blocks[0].language != "sql" {
			t.Fatalf("docs/migrate/%s.md does not begin with its tables", name)
		}
		if name != "pg_eventserv" { // whose trigger needs pgherald's tables
			pgtest.Psql(t, url, blocks[0].code)
			blocks = blocks[1:]
		}
		for _, b := range blocks {
			if b.language == "yaml" {
				_, tables, _ := strings.Cut(b.code, "tables:\n")
				spec += tables
			}
		}
		pages[name] = blocks
	}
	file := specFile(t, spec)
	n := newNode(url, func(c *server.Config) { c.Database.Spec = file })
	t.Cleanup(func() { n.end(t) }) // after the guides, which run beside each other
	startNodes(testContext(t), t, n)
	for _, name := range guideNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guide{t: t, url: url, at: n.at(""), hook: newHook(t)}
			for _, b := range pages[name] {
				g.run(b)
			}
			if name == "sequin" {
				g.checkOutbox()
			}
		})
	}
	t.Run("README, protocol, operations", func(t *testing.T) {
		t.Parallel()
		g := guide{t: t, url: url, at: n.at("")}
		g.runRequests()
		for _, b := range blocksOf(t, "../../../docs/operations.md") {
			if b.language == "sql" {
				g.run(b)
			}
		}
		g.runScript()
	})
}

// runRequests runs each request of docs/protocol.md, until the beginning of its answer.
func (g *guide) runRequests() {
	text, err := os.ReadFile("../../../docs/protocol.md")
	if err != nil {
		g.t.Fatal(err)
	}
	cursor := regexp.MustCompile(`"cursor":"([^"]+)"`).FindStringSubmatch(get(testContext(g.t), g.t, g.at+"/api/collections/orders"))[1]
	now := time.Now().UTC().Truncate(time.Minute).Format(time.RFC3339)
	replacer := strings.NewReplacer("localhost:8080", strings.TrimPrefix(g.at, "http://"), "CURSOR", cursor, "k3f9xq-1z8q~5k2m", cursor, "wait=25s", "wait=1ms", "2026-01-02T03:00:00Z", now)
	for _, command := range commandsOf(string(text)) {
		if !strings.HasPrefix(command, "curl ") {
			continue
		}
		command, _, _ = strings.Cut(command, " | ") // what reads the answer is of others
		g.start(g.t.TempDir(), "bash", "-c", replacer.Replace(command)+" --silent --show-error")
		if !g.output.Scan() {
			g.t.Errorf("%s printed nothing: %v, %v", command, g.output.Err(), g.limit.Err())
		}
	}
}

// browser makes Node a page of the server, as far as the script of README.md needs one.
const browser = `
const request = globalThis.fetch;
globalThis.fetch = async (address, options) => {
  for (;;) {
    const response = await request("http://localhost:8080" + address, options);
    if (response.status !== 503) return response;
    await response.body.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
globalThis.EventSource = class {
  constructor(address) {
    this.read(address);
  }
  async read(address) {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of (await fetch(address)).body) {
      const frames = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
      text = frames.pop();
      for (const frame of frames) for (const line of frame.split("\n")) if (line.startsWith("data: ")) this.onmessage({ data: line.slice(6) });
    }
  }
};
const show = (rows) => console.log(JSON.stringify([...rows].map(({ id, total }) => [id, total])));
`

// runScript runs the script of README.md, which needs no library.
func (g *guide) runScript() {
	for _, b := range blocksOf(g.t, "../../../README.md") {
		if b.language != "js" {
			continue
		}
		g.run(block{"sql", "insert into public.orders (status, total) values ('open', 1), ('paid', 2)"})
		g.run(block{"js", browser + b.code})
		g.run(block{"text", "[[1,1]]"})
		g.run(block{"sql", "update public.orders set status = 'open' where id = 2; update public.orders set total = 3 where id = 1; update public.orders set status = 'paid' where id = 2"})
		g.run(block{"text", "[[1,1],[2,2]]\n[[1,3],[2,2]]\n[[1,3]]"})
		return
	}
	g.t.Error("README.md has no script")
}

// guide runs the blocks of a page.
type guide struct {
	t             *testing.T
	url, at, hook string
	output        *bufio.Scanner  // of the program that started last
	limit         context.Context // ends with that program, or before it when the test hangs
}

// run runs a block. Programs go on until the end of the test.
func (g *guide) run(b block) {
	g.t.Helper()
	code := strings.NewReplacer("http://localhost:8080", g.at, "http://localhost:9000/hook", g.hook).Replace(b.code)
	switch b.language {
	case "sql":
		pgtest.Psql(g.t, g.url, code)
	case "sh":
		g.start(g.t.TempDir(), "bash", "-euc", code)
	case "js":
		g.start(moduleDir(g.t, code), nodeProgram(g.t), "example.mjs")
	case "text":
		g.expect(code)
	case "yaml", "tsx", "ts", "js before": // clients/types compiles those in TypeScript
	default:
		g.t.Errorf("no test runs a block of %q:\n%s", b.language, code)
	}
}

// start starts a program in a process group of its own, which ends with the test, or when the test hangs.
func (g *guide) start(dir, name string, args ...string) {
	g.t.Helper()
	g.limit = hangContext(g.t, context.Background())
	cmd := exec.CommandContext(g.limit, name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "PATH="+patientCurl(g.t)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.output = bufio.NewScanner(out)
	g.t.Cleanup(func() {
		_ = cmd.Cancel()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
}

// expect waits until the program has printed lines, with others between them. The sign … stands for any text in a line.
func (g *guide) expect(lines string) {
	g.t.Helper()
	for want := range strings.Lines(lines) {
		want = strings.TrimSpace(want)
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$")
		var seen []string
		for found := false; !found; {
			if !g.output.Scan() {
				g.t.Fatalf("waited for the line %q: the program ended (%v, %v) and printed\n%s", want, g.output.Err(), g.limit.Err(), strings.Join(seen, "\n"))
			}
			seen = append(seen, g.output.Text())
			found = pattern.MatchString(g.output.Text())
		}
	}
}

// patientCurl returns a directory with a curl that comes again after an answer that says so, as ask does.
func patientCurl(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl: install it")
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nexec '" + program + "' --fail --retry 60 --retry-delay 1 \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "curl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkOutbox checks what the job of docs/migrate/sequin.md has written.
func (g *guide) checkOutbox() {
	rows, _ := pgtest.Connect(g.t, g.url).Query(g.t.Context(), `select body ->> 'status' from public.outbox order by event`)
	if got, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || strings.Join(got, " ") != "pending paid" {
		g.t.Errorf("the outbox has %q, %v", got, err)
	}
}

// newHook returns the URL of an endpoint for webhooks, which fails once.
func newHook(t *testing.T) string {
	var failed atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if failed.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/hook"
}

// nodeProgram returns Node's program. Without one it skips the test, unless PGHERALD_TEST_NPM is set.
func nodeProgram(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil && os.Getenv("PGHERALD_TEST_NPM") != "" {
		t.Fatal("there is no node: run the tests through tools/with-node")
	}
	if err != nil {
		t.Skip("there is no node: install node 20 or newer")
	}
	return program
}

// moduleDir returns a directory with a module that may import the npm package.
func moduleDir(t *testing.T, code string) string {
	t.Helper()
	client, err := filepath.Abs("../../../web/shared/js/pgherald.js")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	code = strings.ReplaceAll(code, `from "pgherald"`, `from "`+client+`"`)
	if err := os.WriteFile(filepath.Join(dir, "example.mjs"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
