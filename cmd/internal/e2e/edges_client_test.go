package e2e

import (
	"bufio"
	"context"
	"strings"
	"testing"
)

// received is a stream of a user.
type received struct {
	t     *testing.T
	lines *bufio.Scanner
	token string
}

// follow opens a stream with a new token of a user, and returns it after its first sync event.
func follow(ctx context.Context, t *testing.T, n *node, user string) *received {
	t.Helper()
	token := newToken(t, user, inAnHour())
	r := &received{t, openStream(ctx, t, n.at("/api/events"), "Authorization", "Bearer "+token), token}
	readTo(t, r.lines, `"sync"`)
	return r
}

// to reads up to a line with a text.
func (r *received) to(text string) string {
	r.t.Helper()
	return readTo(r.t, r.lines, text)
}

// toEnd returns the last event before the end of the stream.
func (r *received) toEnd() (last string) {
	for r.lines.Scan() {
		if data, ok := strings.CutPrefix(r.lines.Text(), "data: "); ok {
			last = data
		}
	}
	return last
}

// parcels returns the events of parcels and notes, without what only this stream has.
func parcels(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, `"type":"parcel_`) || strings.Contains(line, `"type":"note"`) {
			b.WriteString(line)
		}
	}
	return b.String()
}
