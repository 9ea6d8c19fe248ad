package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// repository is where links to files that are not on the site lead.
const repository = "https://github.com/pgherald/pgherald"

// resolve returns the file of the repository to which a link in a document leads, and its anchor. ok is false for links to
// elsewhere.
func resolve(from, target string) (file, anchor string, ok bool) {
	target, anchor, _ = strings.Cut(target, "#")
	if own, found := strings.CutPrefix(target, repository+"/blob/main/"); found {
		return own, anchor, true
	}
	if strings.Contains(target, ":") {
		return "", "", false
	}
	if target == "" {
		return from, anchor, true
	}
	return path.Join(path.Dir(from), target), anchor, true
}

// checkLinks returns what is wrong with the links of a document.
func checkLinks(root, file string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	var problems []string
	rewriteLinks(string(text), func(target string) string {
		if problem := checkLink(root, file, target); problem != "" {
			problems = append(problems, fmt.Sprintf("%s: %s: %s", file, target, problem))
		}
		return target
	})
	return problems, nil
}

// checkLink returns what is wrong with a link, or "".
func checkLink(root, from, target string) string {
	file, anchor, ok := resolve(from, target)
	if !ok {
		return ""
	}
	if strings.HasPrefix(file, "..") {
		return "leads out of the repository"
	}
	info, err := os.Stat(filepath.Join(root, file))
	if err != nil {
		return "the file does not exist"
	}
	if anchor == "" || info.IsDir() || path.Ext(file) != ".md" {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err.Error()
	}
	if !anchors(string(text))[anchor] {
		return "no heading of " + file + " has this name"
	}
	return ""
}
