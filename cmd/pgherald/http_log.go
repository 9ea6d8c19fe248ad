package main

import (
	"context"
	"log/slog"
	"strings"
)

// httpLog is where net/http complains, of everything at the level debug. Most of it is what clients do
// wrong, which is of interest to nobody; but a panic is a mistake of ours, and a server that cannot accept
// connections is down.
type httpLog struct{ slog.Handler }

// Enabled lets everything through: how bad it is stands in its text.
func (httpLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle raises the level of what somebody has to look at.
func (l httpLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, ": panic serving ") || strings.HasPrefix(r.Message, "http: Accept error: ") {
		r.Level = slog.LevelError
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}
