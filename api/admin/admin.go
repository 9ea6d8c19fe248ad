// Package admin serves operators: metrics, profiles and the log level. It has an address of its own
// and authenticates no request, so that address must be on loopback or a private network.
package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
)

// maxLevelName bounds the body of a request that sets the level, in bytes.
const maxLevelName = 64

// Handler serves metrics at /metrics, the profiles of net/http/pprof at /debug/pprof/, and the log
// level at /log-level, which GET returns and PUT sets.
func Handler(metrics http.Handler, level *slog.LevelVar, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /log-level", func(w http.ResponseWriter, _ *http.Request) { writeLevel(w, level) })
	mux.HandleFunc("PUT /log-level", func(w http.ResponseWriter, r *http.Request) {
		if err := setLevel(level, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		logger.Info("log level changed", "log_level", level.Level())
		writeLevel(w, level)
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // not cmdline, which may contain secrets
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "pgherald for operators: /metrics, /debug/pprof/, /log-level (GET, PUT)\n")
	})
	// A page of another origin, open in a browser on this machine, must not change anything.
	return http.NewCrossOriginProtection().Handler(mux)
}

func writeLevel(w http.ResponseWriter, level *slog.LevelVar) {
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprintln(w, strings.ToLower(level.Level().String()))
}

func setLevel(level *slog.LevelVar, body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, maxLevelName))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.TrimSpace(string(text)))); err != nil {
		return fmt.Errorf("%q is no log level: send debug, info, warn or error", text)
	}
	level.Set(l)
	return nil
}
