package forward

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHostileReceivers checks that answers of any kind are bounded, and acknowledge nothing but with 2xx.
func TestHostileReceivers(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	endless := func(w http.ResponseWriter, r *http.Request) {
		for block := []byte(strings.Repeat("x\x00\xff", 10_000)); r.Context().Err() == nil; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	mux.HandleFunc("/acknowledged", endless)
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		endless(w, r)
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 2*maxHeader)) })
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/acknowledged", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "99999999")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "99999999")
		w.WriteHeader(http.StatusBadGateway)
	})
	mux.HandleFunc("/content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) })
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(mux)
	defer server.Close()
	defer server.CloseClientConnections()
	send := func(path string, timeout time.Duration) *failure {
		config := testConfig("", server.URL+path)
		config.Timeout = timeout
		s, err := config.To.open(&config)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		f := s.send(t.Context(), []message{{id: "evt_1", envelope: []byte(`{}`)}})
		if f != nil && (strings.Contains(f.text, path) || len(f.text) > 3000 || strings.ContainsAny(f.text, "\x00\xff")) {
			t.Errorf("%s: the failure shows %q", path, f.text)
		}
		return f
	}
	for path, part := range map[string]string{
		"/acknowledged": "", "/endless": "status 500", "/header": "header", "/redirect": "redirects are not followed",
		"/later": "status 429", "/elsewhere": "status 502", "/content": "status 422", "/gone": "status 410", "/cut": "EOF",
	} {
		f := send(path, time.Minute)
		if part == "" {
			if f != nil {
				t.Errorf("%s: %s", path, f.text)
			}
			continue
		}
		if f == nil || !strings.Contains(f.text, part) {
			t.Errorf("%s: got %+v, want %q", path, f, part)
			continue
		}
		if f.isGone != (path == "/gone") || f.isAboutEvent != (path == "/content") || (f.retryAfter == maxRetryAfter) != (path == "/later") {
			t.Errorf("%s: got %+v", path, f)
		}
	}
	if f := send("/later", time.Nanosecond); f == nil || !strings.Contains(f.text, "no answer within") {
		t.Errorf("without time: %+v", f)
	}
}

// TestTargets checks which URLs are accepted.
func TestTargets(t *testing.T) {
	t.Parallel()
	for to, part := range map[string]string{
		"https://billing.example/x": "", "http://127.0.0.1:1/": "", "http://localhost/": "", "https://10.0.0.1/": "",
		"http://billing.example/": "--allow-http", "https://u:p@billing.example/": "password", "ftp://billing.example": "not supported",
		"/events": "give a URL", "https://billing.example/#x": "fragment",
		"redis://:p@h:1/2?stream=s": "", "rediss://h?stream=s&maxlen=5": "", "valkey+sentinel://h1,h2?stream=s&master=m": "", "redis+cluster://h1:1,h2:2?stream=s": "",
		"redis://h": "?stream=name", "redis://h?stream=s&maxlen=0": "maxlen", "redis://h?stream=s&key=x": `"key"`, "redis+x://h?stream=s": "not known",
		"nats://h1:1,h2:2?subject=a.{type}.{collection}.{key}": "", "tls://u:p@h?subject=a&creds=/x": "", "nats://h": "?subject=name",
		"nats://h?subject=a.*": "wildcards", "nats://h?subject=a..b": "empty part", "nats://h?subject=a.{op}": "placeholder", "nats://h?subject=$JS.x": "belongs",
		"nats://h?subject=a&x=1": `"x"`, "nats://?subject=a": "like nats://", "nats+tls://h?subject=a": "like nats://", "nats://h/x?subject=a": "like nats://",
	} {
		_, err := ParseTarget(to, false)
		if part == "" && err != nil || part != "" && (err == nil || !strings.Contains(err.Error(), part)) {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := ParseTarget("http://billing.example/", true); err != nil {
		t.Error(err)
	}
	if _, err := ParseSecrets("short"); err == nil {
		t.Error("a short secret is accepted")
	}
	if all, err := ParseSecrets(secret + "\n" + secret + "\n"); err != nil || len(all) != 2 {
		t.Errorf("two secrets: %v, %v", all, err)
	}
}
