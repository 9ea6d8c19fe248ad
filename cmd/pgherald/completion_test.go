package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/completion"
)

// typed are command lines up to the cursor, with a word that the shell must offer there, and one that it must not.
var typed = []struct{ line, offered, not string }{
	{"pgherald mig", "migrate", "serve"},
	{"pgherald migrate ", "repair", "doctor"},
	{"pgherald config print --retain-a", "--retain-age", "--retain-bytes"},
	{"pgherald serve --auth ", "jwt", "--addr"},
	{"pgherald serve --auth=", "jwt", "--addr"},
	{"pgherald --log-format=text serve --drai", "--drain", "--addr"},
	{"pgherald completion ", "fish", "--help"},
}

// writeCompletions writes the script of a shell to a file in a folder of its own.
func writeCompletions(t *testing.T, shell, name string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"completion", shell}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	return writeFile(t, name, stdout.String())
}

// runShell runs a script. It skips the test where the shell is missing, except in CI, which installs it.
func runShell(t *testing.T, shell, script string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath(shell)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: tools/setup installs it", err)
		}
		t.Skipf("no %s on this machine", shell)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, append([]string{"-c", script, shell}, args...)...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	return string(out)
}

// bash calls the function as readline does, with the words that it splits at spaces and equals signs.
const bashScript = `source "$1"; line=$2
complete -p pgherald >/dev/null || exit 1
read -ra COMP_WORDS <<<"${line//=/ = }"
[[ $line != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_pgherald
printf '%s\n' "${COMPREPLY[@]}"`

func TestCompletionsInBash(t *testing.T) {
	file := writeCompletions(t, "bash", "pgherald")
	for _, c := range typed {
		checkOffers(t, c.line, c.offered, c.not, runShell(t, "bash", bashScript, file, c.line))
	}
}

func TestCompletionsInFish(t *testing.T) {
	file := writeCompletions(t, "fish", "pgherald.fish")
	for _, c := range typed {
		out := runShell(t, "fish", `source $argv[2]; complete -C $argv[3]`, file, c.line)
		var words []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, strings.TrimPrefix(word, "--auth="))
		}
		checkOffers(t, c.line, c.offered, c.not, strings.Join(words, "\n"))
	}
}

// checkOffers checks the offered words, one a line.
func checkOffers(t *testing.T, line, offered, not, out string) {
	t.Helper()
	words := strings.Fields(out)
	if !slices.Contains(words, offered) || slices.Contains(words, not) {
		t.Errorf("%q offers %q, want %s and not %s", line, words, offered, not)
	}
}

// zsh completes in an interactive shell on a terminal only. Reading waits for the word; the shell's own echo has it not.
const zshScript = `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "fpath=(${(q)1:h} \$fpath); autoload -Uz compinit; compinit -u -D; pgherald() { }; setopt no_beep; print RE""ADY"
zpty -r z out '*READY*' || exit 1
zpty -w -n z "$2"$'\t\t'
zpty -r z out "*$3*" || exit 1
print -r -- "$out"
zpty -d z`

func TestCompletionsInZsh(t *testing.T) {
	file := writeCompletions(t, "zsh", "_pgherald")
	for _, c := range typed {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			out := runShell(t, "zsh", zshScript, file, c.line, c.offered)
			if !strings.Contains(out, c.offered) || strings.Contains(out, c.not) {
				t.Errorf("%q shows %q, want %s and not %s", c.line, out, c.offered, c.not)
			}
		})
	}
}

func TestCompletionsOfAnUnknownShell(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"completion", "csh"}, &stdout, &stderr); code != int(exitUsage) {
		t.Errorf("exit code %d, want %d: %s", code, exitUsage, stderr.String())
	}
	if len(completion.Shells()) != 3 {
		t.Error("the enum of the command and completion.Shells differ")
	}
}

func TestManualPages(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "man")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"man", "--directory=" + directory}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	files, err := filepath.Glob(filepath.Join(directory, "*.1"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	serve, err := os.ReadFile(filepath.Join(directory, "pgherald-serve.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".Dd November 14, 2023\n", ".It Fl -retain-age Ns = Ns Ar TIME\n", "PGHERALD_RETAIN_AGE", ".Ss Event log\n"} {
		if !strings.Contains(string(serve), want) {
			t.Errorf("the page of serve lacks %q", want)
		}
	}
	// Without style: mandoc does not find the pages that these refer to.
	out := runShell(t, "bash", `command -v mandoc >/dev/null || { echo no mandoc; exit 0; }; mandoc -Tlint -W warning "$1"/*.1`, directory)
	if strings.TrimSpace(out) == "no mandoc" && os.Getenv("CI") != "true" {
		t.Skip("no mandoc on this machine")
	}
	if out != "" {
		t.Errorf("mandoc: %s", out)
	}
}

func TestManualPageOfACommand(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"the program":   {nil, 0, ".Dt PGHERALD 1\n"},
		"a command":     {[]string{"migrate", "up"}, 0, ".Dt PGHERALD-MIGRATE-UP 1\n"},
		"no such":       {[]string{"fly"}, 1, `there is no command "fly"`},
		"a wrong epoch": {[]string{"--epoch=x"}, 1, "SOURCE_DATE_EPOCH"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if code := run(t.Context(), append([]string{"man"}, c.args...), &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
}
