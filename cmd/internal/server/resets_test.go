package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
)

func TestResetLog(t *testing.T) {
	var out bytes.Buffer
	log := resetLog{logger: slog.New(slog.NewTextHandler(&out, nil))}
	now := time.Now()
	add := func(data string, at time.Time) {
		log.add(stream.ParseCollectionReset([]byte(data)), at, now)
	}
	lines := func(want int) {
		t.Helper()
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("%d lines, want %d:\n%s", got, want, out.String())
		}
	}
	add(`{"table":"public.orders","key":"1","reason":"expression","sqlstate":"22012"}`, now)
	add(`{"table":"public.orders","reason":"expression","sqlstate":"22012"}`, now)
	lines(1)
	if !strings.Contains(out.String(), "table=public.orders sqlstate=22012") {
		t.Errorf("the line does not say what failed: %s", out.String())
	}
	add(`{"table":"public.items","reason":"expression","sqlstate":"42703"}`, now)
	lines(2)
	add(`{"table":"public.others","reason":"triggers"}`, now)                // the watcher logs these
	add(`{"table":"public.old","reason":"expression"}`, now.Add(-time.Hour)) // read again at the start
	add(`[]`, now)
	lines(2)
	now = now.Add(time.Minute)
	add(`{"table":"public.orders","reason":"expression","sqlstate":"22012"}`, now)
	lines(3)
	for i := range 1000 {
		add(`{"table":"`+strings.Repeat("x", i+1)+`","reason":"expression"}`, now)
	}
	lines(2 + maxResetTables)
}
