// Package admin is the side of a server that only operators reach, on an address of its own:
// metrics, profiles and the level of the log. It asks nobody who they are, so that address
// belongs on loopback or a private network.
package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
)

// maxLevel is the longest name of a level that is read, in bytes.
const maxLevel = 64

// Handler serves metrics at /metrics, the profiles of package net/http/pprof at /debug/pprof/, and the
// level of the log at /log-level: GET says it, PUT sets it.
func Handler(metrics http.Handler, level *slog.LevelVar, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /log-level", func(w http.ResponseWriter, _ *http.Request) { tell(w, level) })
	mux.HandleFunc("PUT /log-level", func(w http.ResponseWriter, r *http.Request) {
		if err := set(level, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		logger.Log(r.Context(), level.Level(), "log level changed", "level", level.Level())
		tell(w, level)
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "pgherald, for operators: /metrics, /debug/pprof/, /log-level (GET, PUT)\n")
	})
	// A browser on the same machine must not change anything for a page from elsewhere.
	return http.NewCrossOriginProtection().Handler(mux)
}

func tell(w http.ResponseWriter, level *slog.LevelVar) {
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, strings.ToLower(level.Level().String()))
}

func set(level *slog.LevelVar, body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, maxLevel))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.TrimSpace(string(text)))); err != nil {
		return fmt.Errorf("%q is no level: send debug, info, warn or error", text)
	}
	level.Set(l)
	return nil
}
