package web_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
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
		"/":               "text/html; charset=utf-8",
		"/js/app.js":      "text/javascript; charset=utf-8",
		"/js/pgherald.js": "text/javascript; charset=utf-8",
		"/css/base.css":   "text/css; charset=utf-8",
		"/icon.svg":       "image/svg+xml",
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
	first := get(t, http.MethodGet, "/js/app.js")
	etag := first.Header.Get("ETag")
	if !regexp.MustCompile(`^"[0-9a-f]{16}"$`).MatchString(etag) {
		t.Fatalf("ETag = %q", etag)
	}
	again := get(t, http.MethodGet, "/js/app.js", "If-None-Match", etag)
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("request with the current ETag: %s", again.Status)
	}
	if other := get(t, http.MethodGet, "/js/app.js", "If-None-Match", `"0"`); other.StatusCode != http.StatusOK {
		t.Errorf("request with another ETag: %s", other.Status)
	}
	if get(t, http.MethodGet, "/").Header.Get("ETag") == etag {
		t.Error("two files have the same ETag")
	}
}

func TestPageIsCompressed(t *testing.T) {
	plain := get(t, http.MethodGet, "/js/app.js")
	for accepted, encoding := range map[string]string{
		"gzip, deflate, br": "gzip", "br;q=1.0, GZIP;q=0.8": "gzip", "gzip;q=0.05": "gzip",
		"": "", "br": "", "gzip;q=0": "", "gzip;q=0.000, br": "", "xgzip": "",
	} {
		res := get(t, http.MethodGet, "/js/app.js", "Accept-Encoding", accepted)
		if got := res.Header.Get("Content-Encoding"); got != encoding || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: got Content-Encoding %q", accepted, got)
		}
		if (res.Header.Get("ETag") == plain.Header.Get("ETag")) != (encoding == "") {
			t.Errorf("Accept-Encoding %q: got the ETag of the other encoding", accepted)
		}
	}
	zipped, err := gzip.NewReader(get(t, http.MethodGet, "/js/app.js", "Accept-Encoding", "gzip").Body)
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
	for _, path := range []string{"/index.html", "/dashboard/", "/js/", "/dashboard/js/app.js", "/api/activities", "/js/app.js/", "//", "/%2e%2e/web.go", "/web.go"} {
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

// TestPageKeepsItsPolicy searches the page for constructs that the content security policy blocks,
// and for absolute paths, which break behind a proxy that serves the page under a prefix.
func TestPageKeepsItsPolicy(t *testing.T) {
	html := body(t, get(t, http.MethodGet, "/"))
	for _, bad := range []string{` style="`, `<style`, ` onclick`, `javascript:`, `="/`, `//`} {
		if strings.Contains(html, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(html) {
		t.Error("the page has an inline script")
	}
	references := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(strings.ReplaceAll(html, `href="#`, `data-to="`), -1)
	if len(references) < 3 {
		t.Fatalf("only %d references found", len(references))
	}
	for _, reference := range references {
		if res := get(t, http.MethodGet, "/"+reference[1]); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", reference[1], res.Status)
		}
	}
	for path, script := range scripts(t) {
		if regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|setAttribute\('style'`).MatchString(script) {
			t.Errorf("%s creates HTML or styles from text", path)
		}
	}
}

// scripts returns every script of the page by its path. It follows the imports from app.js.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	queue := []string{"app.js"}
	for len(queue) > 0 {
		path := "/js/" + queue[0]
		queue = queue[1:]
		if _, ok := found[path]; ok {
			continue
		}
		res := get(t, http.MethodGet, path)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
		found[path] = body(t, res)
		for _, match := range regexp.MustCompile(`from '\./([^']+)'`).FindAllStringSubmatch(found[path], -1) {
			queue = append(queue, match[1])
		}
	}
	return found
}

// TestPageIsSmall compares the size of the page with the one in docs/dashboard.md.
func TestPageIsSmall(t *testing.T) {
	all := body(t, get(t, http.MethodGet, "/"))
	for _, reference := range regexp.MustCompile(`(?:src|href)="([^"]+\.(?:css|svg))"`).FindAllStringSubmatch(all, -1) {
		all += body(t, get(t, http.MethodGet, "/"+reference[1]))
	}
	for _, script := range scripts(t) {
		all += script
	}
	if got := (len(all) + 5000) / 10_000 * 10; got < 180 || got > 220 {
		t.Errorf("the page has about %d kB: reduce it, or update the size in docs/dashboard.md", got)
	}
}

// TestPageHasElementsOfItsScripts checks that each id in byID('…') is the id of an element.
func TestPageHasElementsOfItsScripts(t *testing.T) {
	html := body(t, get(t, http.MethodGet, "/"))
	for path, script := range scripts(t) {
		for _, match := range regexp.MustCompile(`byID\('([^']+)'\)`).FindAllStringSubmatch(script, -1) {
			if !strings.Contains(html, ` id="`+match[1]+`"`) {
				t.Errorf("%s reads #%s, which the page does not have", path, match[1])
			}
		}
	}
}

// The page of a server without the API of the activities asks for no list, which would be a 404 in the console.
func TestPageWithoutActivities(t *testing.T) {
	for activities, want := range map[bool]bool{true: false, false: true} {
		w := httptest.NewRecorder()
		web.Page(activities).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := strings.Contains(w.Body.String(), `<html data-activities="none" lang="en">`); got != want {
			t.Errorf("with activities %t: the page is marked: %t", activities, got)
		}
	}
}
