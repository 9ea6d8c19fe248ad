package forward

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/db/streamstore"
)

// The fields of an entry. Those without a value are left out.
const (
	fieldID         = "webhook-id" // the same for each attempt
	fieldType       = "type"
	fieldCollection = "collection"
	fieldKey        = "key"
	fieldEvent      = "event" // the envelope
)

// defaultMaxLen is the length to which a stream is trimmed if the URL says no other.
const defaultMaxLen = 1_000_000

// minBulk is the least proto-max-bulk-len that a Redis permits: a server may end a connection over a larger event.
const minBulk = 1 << 20

// redisStream adds events to a stream of Redis or Valkey. It implements sink.
type redisStream struct {
	client  redis.UniversalClient
	name    string
	maxLen  int64
	timeout time.Duration
}

// redisTarget reads the URL of a stream: that of package streamstore, with the parameters stream and maxlen.
func redisTarget(text string) (*Target, error) {
	opts, params, err := streamstore.ParseURL(text)
	if err != nil {
		return nil, err
	}
	s := redisStream{name: params.Get("stream"), maxLen: defaultMaxLen}
	if s.name == "" {
		return nil, errors.New("the name of the stream is missing: add ?stream=name")
	}
	if params.Has("maxlen") {
		if s.maxLen, err = strconv.ParseInt(params.Get("maxlen"), 10, 64); err != nil || s.maxLen < 1 {
			return nil, errors.New("maxlen must be a number of entries, 1 at least")
		}
	}
	params.Del("stream")
	params.Del("maxlen")
	for unknown := range params {
		return nil, fmt.Errorf("the parameter %q is not known", unknown)
	}
	scheme, _, _ := strings.Cut(text, "://")
	shown := scheme + "://" + strings.Join(opts.Addrs, ",") + "/" + strconv.Itoa(opts.DB) + "?stream=" + url.QueryEscape(s.name)
	return &Target{shown: shown, open: func(c *Config) (sink, error) { return newRedisStream(c, opts, s), nil }}, nil
}

func newRedisStream(c *Config, of *redis.UniversalOptions, s redisStream) *redisStream {
	opts := *of
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout, opts.PoolSize = c.Timeout, c.Timeout, c.Timeout, c.Parallel
	s.client, s.timeout = redis.NewUniversalClient(&opts), c.Timeout
	return &s
}

func (s *redisStream) close() { _ = s.client.Close() }

// send adds an entry for each event: all of them in one transaction, so that none is missing before a later one of its lane.
func (s *redisStream) send(ctx context.Context, events []message) *failure {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var err error
	if len(events) == 1 {
		err = s.client.XAdd(ctx, s.entry(&events[0])).Err()
	} else {
		_, err = s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for n := range events {
				p.XAdd(ctx, s.entry(&events[n]))
			}
			return nil
		})
	}
	if err == nil {
		return nil
	}
	return s.explain(err, largest(events))
}

func (s *redisStream) entry(m *message) *redis.XAddArgs {
	fields := []any{fieldID, m.id, fieldType, m.eventType}
	if m.collection != "" {
		fields = append(fields, fieldCollection, m.collection)
	}
	if m.key != "" {
		fields = append(fields, fieldKey, m.key)
	}
	return &redis.XAddArgs{Stream: s.name, MaxLen: s.maxLen, Approx: true, Values: append(fields, fieldEvent, m.envelope)}
}

func largest(events []message) (size int) {
	for n := range events {
		size = max(size, len(events[n].envelope))
	}
	return size
}

// explain returns the failure of an error, with advice.
func (s *redisStream) explain(err error, size int) *failure {
	text := err.Error()
	answer, isAnswer := errors.AsType[redis.Error](err)
	if !isAnswer {
		// A server ends the connection over an event that is too large for it, and its answer may be lost.
		return &failure{text: "reach the server: " + bound(text), isOutage: size < minBulk}
	}
	text = answer.Error()
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	f := &failure{text: "add to the stream: " + bound(text)}
	switch {
	case has("invalid bulk length", "exceeds maximum allowed size"):
		f.isAboutEvent = true
		f.text = "add to the stream: the event is larger than the server's proto-max-bulk-len: " + bound(text)
	case has("WRONGTYPE"):
		f.text = fmt.Sprintf("add to the stream: the key %q holds something else: name another stream, or remove it", bound(s.name))
	case has("OOM"):
		f.text = "add to the stream: the server has no memory left: raise its maxmemory, or lower ?maxlen=: " + bound(text)
	case has("NOPERM"):
		f.text = fmt.Sprintf("add to the stream: the user needs the commands xadd, multi and exec on the key %q: %s", bound(s.name), bound(text))
	default:
		f.isOutage = rediscall.IsOutage(answer) || isElsewhere(text)
	}
	return f
}

// isElsewhere reports whether an answer is about the server or its user, and not about an event, although it may stay: rediscall.IsOutage
// has those that pass.
func isElsewhere(answer string) bool {
	code, _, _ := strings.Cut(answer, " ")
	switch code {
	case "MOVED", "ASK", "NOAUTH", "WRONGPASS", "NOTREADY":
		return true
	}
	return false
}
