// Command words reports the words that docs/glossary.md bans, in the text files that git knows.
//
//	go run ./tools/words [-count] [paths]
//
// It prints "file:line: word: text of the line" for each and exits with 1 if it finds one. Without
// paths it checks the whole work tree and also reports lines of allow.txt that allow nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	count := flag.Bool("count", false, "print only how many banned words each file has")
	flag.Parse()
	found, err := run(os.Stdout, *count, flag.Args())
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	case found > 0:
		fmt.Fprintf(os.Stderr, "words: %d found; docs/glossary.md says what to write instead\n", found)
		os.Exit(1)
	}
}

// run checks the files under the paths, or all, and returns how many words it reported.
func run(out io.Writer, count bool, paths []string) (int, error) {
	allowances, err := parseAllowances(allowText)
	if err != nil {
		return 0, err
	}
	files, err := trackedFiles(paths)
	if err != nil {
		return 0, err
	}
	found := 0
	for _, file := range files {
		hits, err := check(file, allowances)
		if err != nil {
			return found, err
		}
		found += len(hits)
		if count && len(hits) > 0 {
			fmt.Fprintf(out, "%5d %s\n", len(hits), file)
			continue
		}
		for _, h := range hits {
			fmt.Fprintf(out, "%s:%d: %s: %s\n", file, h.line, h.word, h.text)
		}
	}
	if len(paths) == 0 {
		found += reportUnused(out, allowances)
	}
	return found, nil
}

// trackedFiles lists the files of the work tree that git does not ignore, relative to the current
// folder.
func trackedFiles(paths []string) ([]string, error) {
	args := append([]string{"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"}, paths...)
	command := exec.Command("git", args...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("list files with git: %w", err)
	}
	files := strings.FieldsFunc(string(output), func(r rune) bool { return r == 0 })
	slices.Sort(files)
	return slices.Compact(files), nil
}

// check returns the banned words in one file that no allowance permits. A file that was deleted, is
// binary or is skipped has none.
func check(file string, allowances []*allowance) ([]hit, error) {
	if isSkipped(file) {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !isText(content) {
		return nil, nil
	}
	return slices.DeleteFunc(scan(string(content), banned), func(h hit) bool {
		return allows(allowances, file, h.word)
	}), nil
}

func reportUnused(out io.Writer, allowances []*allowance) int {
	unused := 0
	for _, a := range allowances {
		if !a.used {
			unused++
			fmt.Fprintf(out, "tools/words/allow.txt:%d: %s: allows nothing: delete the line\n", a.line, a.word)
		}
	}
	return unused
}
