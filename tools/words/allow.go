package main

import (
	_ "embed" // allow.txt
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed allow.txt
var allowText string

// allowance permits one word in some files.
type allowance struct {
	pattern, word string
	line          int // in allow.txt
	used          bool
}

// parseAllowances reads the format of allow.txt.
func parseAllowances(text string) ([]*allowance, error) {
	var all []*allowance
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Split(line, "|")
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		if len(fields) != 3 || slices.Contains(fields, "") {
			return nil, fmt.Errorf("allow.txt:%d: want path | word | reason", i+1)
		}
		if !slices.Contains(banned, fields[1]) {
			return nil, fmt.Errorf("allow.txt:%d: %q is not banned", i+1, fields[1])
		}
		all = append(all, &allowance{pattern: fields[0], word: fields[1], line: i + 1})
	}
	return all, nil
}

// allows reports whether a word may stand in a file, and marks the allowances that say so.
func allows(all []*allowance, file, word string) bool {
	allowed := false
	for _, a := range all {
		if a.word == word && matchesPath(a.pattern, file) {
			a.used, allowed = true, true
		}
	}
	return allowed
}

// isSkipped reports whether a file is not checked at all.
func isSkipped(file string) bool {
	return slices.ContainsFunc(skipped, func(pattern string) bool {
		return matchesPath(pattern, file) || !strings.Contains(pattern, "/") && pattern == path.Base(file)
	})
}

// matchesPath compares a slash-separated path with a folder ("web/") or a glob of path.Match.
func matchesPath(pattern, file string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(file, pattern)
	}
	ok, err := path.Match(pattern, file)
	return err == nil && ok
}
