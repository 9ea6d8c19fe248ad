package main

import (
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	elementID  = regexp.MustCompile(`\bid="([^"]+)"`)
	ownAddress = regexp.MustCompile(`<(?:a|link|script|img)\b[^>]*?\b(?:href|src)="([^"]+)"`)
)

// checkSite returns the links of a built site that lead nowhere. base is the path under which it is served.
func checkSite(dir, base string) ([]string, error) {
	files := map[string]map[string]bool{} // with the ids of each page
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		files[rel] = nil
		if path.Ext(rel) != ".html" {
			return nil
		}
		text, err := os.ReadFile(name)
		ids := map[string]bool{}
		for _, found := range elementID.FindAllStringSubmatch(string(text), -1) {
			ids[html.UnescapeString(found[1])] = true
		}
		files[rel], texts[rel] = ids, string(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the site: %w", err)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no page", dir)
	}
	var problems []string
	for name, text := range texts {
		for _, found := range ownAddress.FindAllStringSubmatch(text, -1) {
			target := html.UnescapeString(found[1])
			if problem := checkAddress(files, base, name, target); problem != "" {
				problems = append(problems, fmt.Sprintf("%s: %s: %s", name, target, problem))
			}
		}
	}
	return problems, nil
}

// checkAddress returns what is wrong with an address of a page, or "".
func checkAddress(files map[string]map[string]bool, base, from, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	file := from
	if u.Path != "" {
		resolved := (&url.URL{Path: base + from}).ResolveReference(&url.URL{Path: u.Path}).Path
		rel, ok := strings.CutPrefix(resolved, base)
		if !ok {
			return "leads out of the site"
		}
		if file = rel; file == "" || strings.HasSuffix(file, "/") {
			file += "index.html"
		}
	}
	ids, ok := files[file]
	switch {
	case !ok:
		return "there is no such file"
	case u.Fragment != "" && ids != nil && !ids[u.Fragment]:
		return "the page has no such heading"
	}
	return ""
}
