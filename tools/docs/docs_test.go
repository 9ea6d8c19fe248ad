package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// skippedDirs have no documents of ours for readers.
var skippedDirs = []string{".git", "node_modules", "dist", "pages", "bin", ".cache"}

// unlisted are documents that the index leaves out, with the reason.
var unlisted = map[string]string{
	"web/client/examples/nextjs/README.md": "a part of the example, to which the npm package links",
}

// documents returns the Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains(skippedDirs, entry.Name()) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			all = append(all, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("found only %q", all)
	}
	return all
}

// TestLinks checks every link of every document: its file, and its heading.
func TestLinks(t *testing.T) {
	for _, file := range append(documents(t), "llms.txt") {
		problems, err := checkLinks(root, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			t.Error(problem)
		}
	}
}

// TestIndexListsEveryDocument checks that llms.txt has each document once, and that no two have the same place on the site.
func TestIndexListsEveryDocument(t *testing.T) {
	x, err := readIndex(root)
	if err != nil {
		t.Fatal(err)
	}
	listed, places := map[string]bool{}, map[string]string{}
	for _, p := range x.pages() {
		if listed[p.Path] {
			t.Errorf("llms.txt lists %s twice", p.Path)
		}
		listed[p.Path] = true
		if other := places[p.Site]; other != "" {
			t.Errorf("%s and %s are both %s", other, p.Path, p.Site)
		}
		places[p.Site] = p.Path
	}
	for _, file := range documents(t) {
		if _, ok := unlisted[file]; !listed[file] && !ok {
			t.Errorf("llms.txt does not list %s", file)
		}
	}
}

// TestIndexFollowsTheFormat checks what llmstxt.org requires: a title, a summary as a quotation, and then sections.
func TestIndexFollowsTheFormat(t *testing.T) {
	x, err := readIndex(root)
	if err != nil {
		t.Fatal(err)
	}
	if parts := strings.SplitN(x.text, "\n\n", 3); !strings.HasPrefix(parts[0], "# ") || !strings.HasPrefix(parts[1], "> ") {
		t.Errorf("llms.txt begins with %q", parts[:2])
	}
	var titles []string
	for _, s := range x.sections {
		titles = append(titles, s.Title)
	}
	if want := []string{"Start", "Guides", "Reference", "Operations", "Internals"}; !slices.Equal(titles, want) {
		t.Errorf("the sections are %q, want %q", titles, want)
	}
}

func TestLinksThatLeadNowhere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "README.md", "# A b\n\n[fine](docs/a.md#c--d) [fine](#a-b) [fine](https://example.com/x) `[code](none.md)`\n\n    [code](none.md)\n\n```\n[code](none.md)\n```\n"+
		"[gone](docs/b.md) [gone](docs/a.md#e) [gone](#c) [out](../x.md) ["+"own]("+repository+"/blob/main/docs/a.md#f)\n")
	write(t, dir, "docs/a.md", "## C & d\n\n[fine](../README.md#a-b)\n")
	problems, err := checkLinks(dir, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md: docs/b.md: the file does not exist",
		"README.md: docs/a.md#e: no heading of docs/a.md has this name",
		"README.md: #c: no heading of README.md has this name",
		"README.md: ../x.md: leads out of the repository",
		"README.md: " + repository + "/blob/main/docs/a.md#f: no heading of docs/a.md has this name",
	}
	if !slices.Equal(problems, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnchors(t *testing.T) {
	got := anchors("# Tokens: `--auth=jwt`\n\n```sh\n# no heading\n```\n\n## [Über](x.md) uns\n\n## Again\n\n### Again\n")
	for _, want := range []string{"tokens---authjwt", "über-uns", "again", "again-1"} {
		if !got[want] {
			t.Errorf("%v lacks %s", got, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

// TestSite writes the pages of a small repository.
func TestSite(t *testing.T) {
	dir, output := t.TempDir(), t.TempDir()
	write(t, dir, "llms.txt", "# X\n\n> Y\n\n## Start\n\n- [X](README.md): what it is\n- [Go](clients/go/README.md): the client\n- [A](docs/a.md): all\n")
	write(t, dir, "README.md", "# X\n\n![picture](docs/p.png) [a](docs/a.md#b) [source](cmd/x.go) [folder](cmd)\n")
	write(t, dir, "clients/go/README.md", "# Go\n\n[a](../../docs/a.md) [up](../../README.md)\n")
	write(t, dir, "docs/a.md", "# A\n\n## B\n\n[here](#b) [x](../README.md)\n")
	write(t, dir, "docs/p.png", "png")
	write(t, dir, "cmd/x.go", "package x")
	if err := writeSite(dir, output, "/", []string{"main", "v1"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"index.md":             "![picture](./images/p.png) [a](./a.md#b) [source](" + repository + "/blob/main/cmd/x.go) [folder](" + repository + "/tree/main/cmd)",
		"clients/go.md":        "[a](../a.md) [up](../index.md)",
		"a.md":                 "source: docs/a.md",
		"public/a.md":          "[here](#b) [x](./index.md)",
		"public/llms.txt":      "- [Go](clients/go.md): the client",
		"public/llms-full.txt": "source: clients/go/README.md",
		"images/p.png":         "png",
		"versions.md":          `<a href="/v1/" target="_self">v1</a>`,
		"sidebar.json":         `"link": "clients/go.md"`,
	} {
		text, err := os.ReadFile(filepath.Join(output, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s (%v) lacks %q:\n%s", name, err, want, text)
		}
	}
}

func TestCheckSite(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", `<h1 id="top"></h1><a class="x" href="/p/a.html#b">a</a><a href="#top"></a><a href="/p/"></a><a href="https://example.com/"></a><img src="/p/x.png">`)
	write(t, dir, "v1/a.html", `<a href="./b.html">b</a><a href="../index.html#top"></a><a href="../c/#x"></a><a href="../c/#y"></a><a href="/p/v1/"></a><a href="/elsewhere"></a>`)
	write(t, dir, "c/index.html", `<h1 id="x"></h1>`)
	write(t, dir, "a.html", `<h2 id="b"></h2><a href="/p/index.html#none">`)
	got, err := checkSite(dir, "/p/")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{
		"a.html: /p/index.html#none: the page has no such heading",
		"index.html: /p/x.png: there is no such file",
		"v1/a.html: ../c/#y: the page has no such heading",
		"v1/a.html: ./b.html: there is no such file",
		"v1/a.html: /elsewhere: leads out of the site",
		"v1/a.html: /p/v1/: there is no such file",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
