package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream"
)

// EventTypes refuses streams that select a type of which there are no events, which is mostly a misspelling. Without it,
// every type is accepted.
type EventTypes struct {
	// Known returns the types that the server's spec gives, and those of the engine; nil says that they are not known, such as
	// those of a pattern that no longer matches. Then every type is accepted.
	Known func() []string
	// Recent returns the types of recent events, which may be custom ones or those of another spec. The API calls it for
	// types that are not Known, at most once in recentFor.
	Recent func(context.Context) ([]string, error)
}

func (o EventTypes) addTo(f *features) error {
	f.types = &typeCheck{EventTypes: o}
	return nil
}

// recentFor is how long the result of EventTypes.Recent holds for types that it does not have.
const recentFor = 5 * time.Second

// recentTimeout bounds the wait of a request for EventTypes.Recent.
const recentTimeout = 2 * time.Second

// typeCheck knows which types there are.
type typeCheck struct {
	EventTypes

	mu     sync.Mutex
	recent []string
	err    error
	at     time.Time // of recent and err
}

// unknownParam lets a stream wait for the first event of a type.
const unknownParam = "unknown"

// check returns a problem if the filter of the query selects a type that is not known. It accepts every type from a client
// that reconnects, which would not return after an error, and while the log cannot be read.
func (c *typeCheck) check(ctx context.Context, header http.Header, query url.Values, filter *stream.Filter) error {
	unknown := query[unknownParam]
	switch {
	case unknown != nil && !slices.Equal(unknown, []string{"allow"}):
		return problem.InvalidParameter(unknownParam, "must be allow")
	case c == nil, unknown != nil, hasLastID(header, query):
		return nil
	}
	selected := filter.Types()
	if len(selected) == 0 {
		return nil
	}
	known := c.Known()
	if known == nil {
		return nil
	}
	for _, param := range slices.Sorted(maps.Keys(selected)) { // makes stable which error comes first
		if err := c.checkTypes(ctx, param, selected[param], known); err != nil {
			return err
		}
	}
	return nil
}

func (c *typeCheck) checkTypes(ctx context.Context, param string, types, known []string) error {
	for _, t := range types {
		if slices.Contains(known, t) {
			continue
		}
		recent, err := c.recentTypes(ctx, t)
		if err != nil {
			return nil
		}
		if !slices.Contains(recent, t) {
			return request.Unknown(problem.InvalidParameter(param, unknownType(t, slices.Concat(known, recent))))
		}
	}
	return nil
}

// recentTypes returns the types of recent events. It looks them up again if they lack t and are old.
func (c *typeCheck) recentTypes(ctx context.Context, t string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || !slices.Contains(c.recent, t) && time.Since(c.at) > recentFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recentTimeout) // the result is for others, too
		defer cancel()
		c.recent, c.err = c.Recent(ctx)
		c.at = time.Now()
	}
	return c.recent, c.err
}

// maxTypes bounds the types that an error lists.
const maxTypes = 100

// unknownType says which types there are. It sorts them.
func unknownType(t string, known []string) string {
	slices.Sort(known)
	known = slices.Compact(known)
	if n := len(known); n > maxTypes {
		known = append(known[:maxTypes], fmt.Sprintf("and %d more", n-maxTypes))
	}
	return fmt.Sprintf("has %q, of which there are no events: the types are %s; to wait for the first event of another type, add %s=allow",
		request.Shorten(t), strings.Join(known, ", "), unknownParam)
}
