package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// evidence says of the commands with a beginning which test runs them, or why none does.
type evidence struct{ beginning, by string }

// commandEvidence lists every command of the documents. The first beginning that fits counts. A name Test… is a test, one
// with tools/ a step of tools/test or tools/soak.
var commandEvidence = []evidence{
	{"pgherald ", "TestCommandLinesOfDocuments"}, // parses them; the tests of each command run it
	{"bin/pgherald-bench ", "TestBench"},
	{"DATABASE_URL=postgres://user:password@host/database pgherald serve", "TestCommandLinesOfDocuments"},
	{"export ", "sets a variable of the shell"},
	{"curl ", "TestMigrationGuides"},
	{"npx openapi-typescript ", "needs packages of others; TestAnswersFitTheirSchemas checks the documents"},
	{"npx @asyncapi/cli ", "needs packages of others; TestAnswersFitTheirSchemas checks the documents"},
	{"npx @pgherald/cli ", "tools/test-cli"},
	{"DATABASE_URL=postgres://user:password@host/database npx @pgherald/cli ", "tools/test-cli"},
	{"npm install --save-dev @pgherald/cli", "tools/test-cli"},
	{"apt install ", "tools/test-install"},
	{"editor ", "an editor is interactive"},
	{"systemctl enable ", "tools/test-install"},
	{"systemd-run ", "needs a running systemd, which a container has not"},
	{"dnf install ", "the package is made; no machine of the tests has dnf"},
	{"CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build ", "TestImage"},
	{"go run ./tools/image ", "TestImage"},
	{"docker ", "no machine of the tests has a container engine"},
	{"kubectl create secret ", "needs a cluster"},
	{"helm install ", "tools/test-chart"},
	{"tar xzf pgherald_", "tools/test-install"},
	{"install -", "the same files as in the package, which tools/test-install installs"},
	{"pip install ./pgherald", "tools/test-conformance"},
	{"go get ", "the module is not published yet"},
	{"go test ", "the tests that it names, in short forms"},
	{"go run ./tools/gotest ", "TestHostileClients"},
	{"tools/outages ", "tools/outages"},
	{"go run ./clients/conformance/run ", "tools/test-conformance"},
	{"(cd clients/conformance/foreign ", "a yardstick that needs packages of others"},
	{"mkdir -p bin && cp -r clients/conformance/foreign", "a yardstick that needs packages of others"},
	{"go build -C bin/go-sse ", "a yardstick that needs packages of others"},
	{"go run ./deploy/examples/go ", "TestExamples"},
	{"mypy src tests", "tools/test-conformance"},
	{"PYTHONPATH=src python3 -m unittest ", "tools/test-conformance"},
	{"TANSTACK_DB_E2E=", "needs a checkout of TanStack DB"},
	{"npm ci", "tools/test-client"},
	{"npm install PATH/TO/", "tools/test-clients"},
	{"npm test", "tools/test-client"},
	{"npm run ", "tools/test-client"},
	{"node ../unpack.mjs ", "tools/test-clients"},
	{"../../tools/test-conformance", "tools/test-conformance"},
	{"make ", "Makefile"},
}

// notCommands are beginnings of lines in blocks that are no commands of a shell.
var notCommands = []string{"POST /api/", "[Service]", "TimeoutStopSec=", "{", "\"", ">"}

// commandsOf returns the command lines of a document, with continued lines joined. In a block of the kind "console", those
// after a prompt are commands.
func commandsOf(text string) []string {
	var commands []string
	fence, blank := "", true
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		isIndented := strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "     ")
		switch command := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "```") && fence == "":
			fence = line
		case strings.HasPrefix(line, "```"):
			fence = ""
		case fence == "```sh", fence == "" && isIndented && blank:
			commands = append(commands, command)
		case fence == "```console" && strings.HasPrefix(line, "$ "):
			commands = append(commands, line[2:])
		case fence == "```" && strings.HasPrefix(line, "curl "):
			commands = append(commands, command)
		}
		blank = strings.TrimSpace(line) == "" || isIndented && blank
	}
	return commands
}

// TestCommandsOfDocuments checks that each command of the documents has a test that runs it, or a reason why not, and that
// the evidence exists.
func TestCommandsOfDocuments(t *testing.T) {
	const root = "../../.."
	known := declaredTests(t, root)
	used := map[string]bool{}
	for _, pattern := range []string{"README.md", "docs/*.md", "clients/README.md", "clients/*/README.md", "web/client/README.md", "web/browser/README.md", "deploy/*/README.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no document matches %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, command := range commandsOf(string(text)) {
				e, ok := evidenceOf(command)
				if !ok {
					t.Errorf("%s: no test runs %q: say in commandEvidence which does, or why none can", file, command)
				}
				used[e.beginning] = true
			}
		}
	}
	for _, e := range commandEvidence {
		if !used[e.beginning] {
			t.Errorf("no document has a command that begins with %q", e.beginning)
		}
		if strings.HasPrefix(e.by, "Test") && !known[e.by] {
			t.Errorf("%s, which runs %q, does not exist", e.by, e.beginning)
		}
		if _, err := os.Stat(filepath.Join(root, e.by)); strings.HasPrefix(e.by, "tools/") && err != nil {
			t.Errorf("%s, which runs %q, does not exist", e.by, e.beginning)
		}
	}
}

// evidenceOf returns what says that a command works. What is no command has none, and needs none.
func evidenceOf(command string) (evidence, bool) {
	for _, beginning := range notCommands {
		if strings.HasPrefix(command, beginning) {
			return evidence{}, true
		}
	}
	for _, e := range commandEvidence {
		if strings.HasPrefix(command, e.beginning) {
			return e, true
		}
	}
	return evidence{}, false
}

// TestMakeTargetsOfDocuments checks that the targets exist that documents name.
func TestMakeTargetsOfDocuments(t *testing.T) {
	makefile, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile("(?m)(?:`|^    )make ([a-z-]+)")
	files, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../../README.md", "../../../SECURITY.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range target.FindAllSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^` + string(found[1]) + `:`).Match(makefile) {
				t.Errorf("%s: there is no target %s", file, found[1])
			}
		}
	}
}
