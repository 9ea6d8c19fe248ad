package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// page is a document of the site.
type page struct {
	Title string `json:"title"`
	Note  string `json:"-"`
	Path  string `json:"-"` // in the repository
	Site  string `json:"link"`
}

// section is a heading of llms.txt with its pages.
type section struct {
	Title string `json:"text"`
	Pages []page `json:"pages"`
}

// index is llms.txt: the order in which the documents are read, and the only list of them.
type index struct {
	text     string
	sections []section
}

var indexEntry = regexp.MustCompile(`^- \[([^\]]+)\]\(([^)]+)\): (.+)$`)

// readIndex parses llms.txt.
func readIndex(root string) (index, error) {
	text, err := os.ReadFile(filepath.Join(root, "llms.txt"))
	if err != nil {
		return index{}, fmt.Errorf("read the index: %w", err)
	}
	x := index{text: string(text)}
	for i, line := range strings.Split(x.text, "\n") {
		switch {
		case strings.HasPrefix(line, "## "):
			x.sections = append(x.sections, section{Title: line[3:]})
		case strings.HasPrefix(line, "- "):
			found := indexEntry.FindStringSubmatch(line)
			if found == nil || len(x.sections) == 0 {
				return index{}, fmt.Errorf("llms.txt:%d: want - [title](path): what the page is about", i+1)
			}
			last := &x.sections[len(x.sections)-1]
			last.Pages = append(last.Pages, page{Title: found[1], Note: found[3], Path: found[2], Site: sitePath(found[2])})
		}
	}
	if len(x.sections) == 0 {
		return index{}, fmt.Errorf("llms.txt has no section")
	}
	return x, nil
}

// pages returns all pages in their order.
func (x index) pages() []page {
	var all []page
	for _, s := range x.sections {
		all = append(all, s.Pages...)
	}
	return all
}

// sitePath returns where the site has a document: docs/protocol.md is protocol.md, clients/go/README.md is clients/go.md,
// and the README of the repository is index.md.
func sitePath(file string) string {
	file = strings.TrimPrefix(file, "docs/")
	dir, name := path.Split(file)
	switch {
	case file == "README.md", file == "clients/README.md", file == "migrate/README.md":
		return dir + "index.md"
	case file == "web/client/README.md":
		return "clients/npm.md" // beside the other clients
	case name == "README.md":
		return strings.TrimSuffix(dir, "/") + ".md"
	}
	return dir + strings.ToLower(name)
}
