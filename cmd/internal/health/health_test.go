package health

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLocalURL(t *testing.T) {
	for _, c := range []struct {
		addr string
		tls  bool
		want string
	}{
		{"127.0.0.1:8080", false, "http://127.0.0.1:8080"},
		{":8080", false, "http://127.0.0.1:8080"},
		{"0.0.0.0:80", true, "https://127.0.0.1:80"},
		{"[::]:8080", false, "http://[::1]:8080"},
		{"[fd00::1]:8080", false, "http://[fd00::1]:8080"},
		{"localhost:8080", false, "http://localhost:8080"},
		{"127.0.0.1:0", false, ""},
		{"8080", false, ""},
	} {
		got, err := localURL(c.addr, c.tls)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %q, %v; want %q", c.addr, got, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}` + "\n")) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"draining"}`))
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/livez", http.StatusFound) })
	hang := make(chan struct{})
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { <-hang })
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	defer plain.Close()
	defer secure.Close()
	defer close(hang)
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	for name, c := range map[string]struct {
		config Config
		want   string // in the answer, or after "!" in the error
	}{
		"by address":          {Config{Addr: at(plain), Path: "/livez"}, `{"status":"ok"}`},
		"by URL":              {Config{URL: plain.URL + "/", Path: "/livez"}, `{"status":"ok"}`},
		"by address, TLS":     {Config{Addr: at(secure), TLS: true, Path: "/livez"}, `{"status":"ok"}`},
		"by URL, unknown CA":  {Config{URL: secure.URL, Path: "/livez"}, "!certificate"},
		"HTTP to a TLS port":  {Config{Addr: at(secure), Path: "/livez"}, "!400"},
		"not ready":           {Config{Addr: at(plain), Path: "/readyz"}, `!503 Service Unavailable: {"status":"draining"}`},
		"a redirect":          {Config{Addr: at(plain), Path: "/moved"}, "!302"},
		"nothing listens":     {Config{Addr: "127.0.0.1:1", Path: "/livez"}, "!refused"},
		"no answer":           {Config{Addr: at(plain), Path: "/hang", Timeout: 50 * time.Millisecond}, "!deadline exceeded"},
		"an address, no port": {Config{Addr: "127.0.0.1", Path: "/livez"}, "!--addr"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.config.Timeout == 0 {
				c.config.Timeout = time.Minute
			}
			got, err := Check(t.Context(), c.config)
			want, wantError := strings.CutPrefix(c.want, "!")
			if wantError {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q, %v; want an error with %q", got, err, want)
				}
			} else if err != nil || got != want {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		})
	}
}
