package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/cmd/internal/buildinfo"
)

// healthcheck finds the server by the settings of serve: flag, variable or file.
func TestHealthcheckReadsTheSettingsOfTheServer(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}`)) })
	mux.HandleFunc("/readyz/events", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	server := httptest.NewServer(mux)
	defer server.Close()
	addr := server.Listener.Addr().String()
	// A file of serve has settings that healthcheck does not know.
	file := writeFile(t, "pgherald.yaml", "database-url: postgres://h/d\nheartbeat: 11s\naddr: "+addr+"\n")
	wrong := writeFile(t, "wrong.yaml", "addr: 127.0.0.1:1\n")
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"flag":            {nil, []string{"--addr=" + addr}, 0, `{"status":"ok"}`},
		"variable":        {map[string]string{"PGHERALD_ADDR": addr}, nil, 0, `{"status":"ok"}`},
		"file":            {nil, []string{"--config=" + file}, 0, `{"status":"ok"}`},
		"file, variable":  {map[string]string{"PGHERALD_CONFIG": file}, nil, 0, `{"status":"ok"}`},
		"variable wins":   {map[string]string{"PGHERALD_ADDR": addr}, []string{"--config=" + wrong}, 0, `{"status":"ok"}`},
		"URL":             {nil, []string{"--url=" + server.URL, "--quiet"}, 0, ""},
		"not well":        {nil, []string{"--addr=" + addr, "--check=readyz/events"}, 1, "503"},
		"no server":       {nil, []string{"--config=" + wrong}, 1, "refused"},
		"HTTPS is spoken": {map[string]string{"PGHERALD_TLS_CERT": "/absent"}, []string{"--addr=" + addr}, 1, "https"},
		"a wrong URL":     {nil, []string{"--url=127.0.0.1"}, 64, "--url"},
		"a wrong check":   {nil, []string{"--check=metrics"}, 64, "--check"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range c.env {
				t.Setenv(key, value)
			}
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"healthcheck"}, c.args...), &out, &out)
			if code != c.code || !strings.Contains(out.String(), c.want) || c.want == "" && out.Len() > 0 {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, c.code, c.want, out.String())
			}
		})
	}
}

func TestVersionAsJSON(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"version", "--json"}, &out, &out); code != 0 {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	var info buildinfo.Info
	if err := json.Unmarshal(out.Bytes(), &info); err != nil || info != buildinfo.Read() || info.Version == "" {
		t.Errorf("%s, %v", out.String(), err)
	}
}
