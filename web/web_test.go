package web_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/web"
)

// page returns the handler. It is created once, since it compresses the files.
var page = sync.OnceValue(func() http.Handler { return web.Page(true) })

func get(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	page().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPageServesItsFiles(t *testing.T) {
	for path, contentType := range map[string]string{
		"/":                      "text/html; charset=utf-8",
		"/activities":            "text/html; charset=utf-8",
		"/console/js/app.js":     "text/javascript; charset=utf-8",
		"/dashboard/js/app.js":   "text/javascript; charset=utf-8",
		"/shared/js/pgherald.js": "text/javascript; charset=utf-8",
		"/shared/css/base.css":   "text/css; charset=utf-8",
		"/shared/icon.svg":       "image/svg+xml",
	} {
		res := get(t, http.MethodGet, path)
		got := map[string]string{"status": res.Status}
		for _, name := range []string{"Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"} {
			got[name] = res.Header.Get(name)
		}
		want := map[string]string{
			"status":                  "200 OK",
			"Content-Type":            contentType,
			"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-cache",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if body(t, res) == "" {
			t.Errorf("%s is empty", path)
		}
	}
}

func TestPageRevalidatesWithETag(t *testing.T) {
	first := get(t, http.MethodGet, "/dashboard/js/app.js")
	etag := first.Header.Get("ETag")
	if !regexp.MustCompile(`^"[0-9a-f]{16}"$`).MatchString(etag) {
		t.Fatalf("ETag = %q", etag)
	}
	again := get(t, http.MethodGet, "/dashboard/js/app.js", "If-None-Match", etag)
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("request with the current ETag: %s", again.Status)
	}
	if other := get(t, http.MethodGet, "/dashboard/js/app.js", "If-None-Match", `"0"`); other.StatusCode != http.StatusOK {
		t.Errorf("request with another ETag: %s", other.Status)
	}
	if get(t, http.MethodGet, "/").Header.Get("ETag") == etag {
		t.Error("two files have the same ETag")
	}
}

func TestPageIsCompressed(t *testing.T) {
	plain := get(t, http.MethodGet, "/dashboard/js/app.js")
	for accepted, encoding := range map[string]string{
		"gzip, deflate, br": "gzip", "br;q=1.0, GZIP;q=0.8": "gzip", "gzip;q=0.05": "gzip",
		"": "", "br": "", "gzip;q=0": "", "gzip;q=0.000, br": "", "xgzip": "",
	} {
		res := get(t, http.MethodGet, "/dashboard/js/app.js", "Accept-Encoding", accepted)
		if got := res.Header.Get("Content-Encoding"); got != encoding || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: got Content-Encoding %q", accepted, got)
		}
		if (res.Header.Get("ETag") == plain.Header.Get("ETag")) != (encoding == "") {
			t.Errorf("Accept-Encoding %q: got the ETag of the other encoding", accepted)
		}
	}
	zipped, err := gzip.NewReader(get(t, http.MethodGet, "/dashboard/js/app.js", "Accept-Encoding", "gzip").Body)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(zipped)
	if err != nil || string(content) != body(t, plain) {
		t.Errorf("the compressed file differs from the plain one: %v", err)
	}
}

func TestPageServesHead(t *testing.T) {
	for path, status := range map[string]int{"/": 200, "/no": 404} {
		res := get(t, http.MethodHead, path)
		if res.StatusCode != status || body(t, res) != "" {
			t.Errorf("HEAD %s: %s", path, res.Status)
		}
	}
}

func TestPageRejectsOtherPaths(t *testing.T) {
	for _, path := range []string{"/index.html", "/dashboard/", "/dashboard/index.html", "/console/index.html", "/shared/html/head.html", "/shared/js/", "/js/app.js", "/api/activities", "/dashboard/js/app.js/", "//", "/%2e%2e/web.go", "/web.go"} {
		res := get(t, http.MethodGet, path)
		var problem struct {
			Status   int
			Instance string
		}
		if err := json.NewDecoder(res.Body).Decode(&problem); err != nil {
			t.Errorf("%s: %s, read problem: %v", path, res.Status, err)
		}
		if res.StatusCode != http.StatusNotFound || problem.Status != http.StatusNotFound || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s, %+v", path, res.Status, problem)
		}
	}
}

// pages are the pages, and the first script of each.
var pages = map[string]string{"/": "/console/js/app.js", "/activities": "/dashboard/js/app.js"}

// TestPageKeepsItsPolicy searches the pages for constructs that the content security policy blocks,
// and for absolute paths, which break behind a proxy that serves the page under a prefix.
func TestPageKeepsItsPolicy(t *testing.T) {
	for page, script := range pages {
		html := body(t, get(t, http.MethodGet, page))
		for _, bad := range []string{` style="`, `<style`, ` onclick`, `javascript:`, `="/`, `//`} {
			if strings.Contains(html, bad) {
				t.Errorf("%s contains %q", page, bad)
			}
		}
		if regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(html) {
			t.Errorf("%s has an inline script", page)
		}
		references := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(strings.ReplaceAll(html, `href="#`, `data-to="`), -1)
		if len(references) < 3 {
			t.Fatalf("%s: only %d references found", page, len(references))
		}
		for _, reference := range references {
			if res := get(t, http.MethodGet, path.Join("/", reference[1])); res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", reference[1], res.Status)
			}
		}
		for path, script := range scripts(t, script) {
			if regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|setAttribute\('style'`).MatchString(script) {
				t.Errorf("%s creates HTML or styles from text", path)
			}
		}
	}
}

// scripts returns every script of a page by its path. It follows the imports from the first one.
func scripts(t *testing.T, first string) map[string]string {
	t.Helper()
	found := map[string]string{}
	queue := []string{first}
	for len(queue) > 0 {
		file := queue[0]
		queue = queue[1:]
		if _, ok := found[file]; ok {
			continue
		}
		res := get(t, http.MethodGet, file)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", file, res.Status)
		}
		found[file] = body(t, res)
		for _, match := range regexp.MustCompile(`from '(\.[^']+)'`).FindAllStringSubmatch(found[file], -1) {
			queue = append(queue, path.Join(path.Dir(file), match[1]))
		}
	}
	return found
}

// TestPageIsSmall counts what a browser loads for the first view: the files, compressed, and how many there are. The console asks
// for five answers of the API beside: collections, rows, their number, the history and the stream.
func TestPageIsSmall(t *testing.T) {
	for page := range pages {
		html := body(t, get(t, http.MethodGet, page))
		files := []string{page}
		for _, reference := range regexp.MustCompile(`<(?:link|script|img)[^>]* (?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if name := path.Join("/", reference[1]); !slices.Contains(files, name) {
				files = append(files, name)
			}
		}
		size := 0
		for _, file := range files {
			size += len(body(t, get(t, http.MethodGet, file, "Accept-Encoding", "gzip")))
		}
		t.Logf("%s: %d files, %d bytes with gzip", page, len(files), size)
		if len(files) > 7 || size > 100_000 {
			t.Errorf("%s loads %d files of %d bytes with gzip: %v", page, len(files), size, files)
		}
	}
}

// TestPageRefusesOtherModules checks that what the server cannot join is an error, and no broken page.
func TestPageRefusesOtherModules(t *testing.T) {
	for text, want := range map[string]string{
		"import './b.js';":                               "teach web/link.go this form",
		"export default 1;":                              "teach web/link.go this form",
		"export let now = 1;":                            "teach web/link.go this form",
		"import { a } from './a.js';":                    "imports itself",
		"import { b } from './missing.js';":              "no file /p/missing.js",
		"import { b } from './b.js';\nimport x from 'y'": "teach web/link.go this form",
	} {
		_, err := web.Link(map[string]string{"p/a.js": text, "p/b.js": "export const b = 1;"}, "p/a.js")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v", text, err)
		}
	}
	joined, err := web.Link(map[string]string{"p/a.js": "import { b as c, d } from './b.js';\nimport * as all from './b.js';\nc(d, all);\n", "p/b.js": "export const b = 1;\nconst d = 2;\nexport { d };\n"}, "p/a.js")
	want := "// p/b.js\nconst $1 = (() => {\nconst b = 1;\nconst d = 2;\n\n\nreturn { b, d };\n})();\n\n" +
		"// p/a.js\nconst $2 = (() => {\nconst { b: c, d } = $1;\nconst all = $1;\nc(d, all);\n\nreturn {  };\n})();\n\n"
	if err != nil || joined != want {
		t.Errorf("got %q, %v", joined, err)
	}
}

// TestPagesShareTheirParts checks that a page has the parts that it names, once, and that one which is missing is an error.
func TestPagesShareTheirParts(t *testing.T) {
	for page := range pages {
		html := body(t, get(t, http.MethodGet, page))
		for _, want := range []string{`<meta charset="utf-8">`, `<title>pgherald</title>`, ` id="connection"`, ` id="theme"`, `<noscript>`, ` id="help-dialog"`} {
			if n := strings.Count(html, want); n != 1 {
				t.Errorf("%s has %s %d times", page, want, n)
			}
		}
		if strings.Contains(html, "<!--") {
			t.Errorf("%s has a comment: the server did not replace it", page)
		}
	}
	if _, err := web.Include(map[string]string{}, "<!-- include shared/html/none.html -->\n"); err == nil || !strings.Contains(err.Error(), "no file /shared/html/none.html") {
		t.Errorf("a page with a part that is missing: got error %v", err)
	}
}

// TestPageHasElementsOfItsScripts checks that each id in byID('…') is the id of an element.
func TestPageHasElementsOfItsScripts(t *testing.T) {
	for page, first := range pages {
		html := body(t, get(t, http.MethodGet, page))
		for path, script := range scripts(t, first) {
			for _, match := range regexp.MustCompile(`byID\('([^']+)'\)`).FindAllStringSubmatch(script, -1) {
				if !strings.Contains(html, ` id="`+match[1]+`"`) {
					t.Errorf("%s reads #%s, which %s does not have", path, match[1], page)
				}
			}
		}
	}
}

// A server without the API of the activities has no page of them and no link to one, which would be a 404.
func TestPageWithoutActivities(t *testing.T) {
	for _, activities := range []bool{true, false} {
		handler := web.Page(activities)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := strings.Contains(w.Body.String(), `<html data-activities="elsewhere" lang="en">`); got != activities {
			t.Errorf("with activities %t: the page shows its link: %t", activities, got)
		}
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/activities", nil))
		if (w.Code == http.StatusOK) != activities {
			t.Errorf("with activities %t: GET /activities: %d", activities, w.Code)
		}
	}
}

// A slash too much leads to the page, also under a path of a proxy.
func TestPageRedirectsRelatively(t *testing.T) {
	res := get(t, http.MethodGet, "/activities/")
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || got != "../activities" {
		t.Errorf("%s to %q", res.Status, got)
	}
}
