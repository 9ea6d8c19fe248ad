package streamstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/stream/relay"
)

// Claim makes the writer's term the present one.
func (s *Store) Claim(ctx context.Context, w relay.Writer, fork string) (relay.State, error) {
	if err := s.write(ctx, "claim the stream", s.claim, w.Term, w.Owner, fork); err != nil {
		return relay.State{}, err
	}
	return s.State(ctx)
}

// Append appends entries behind the last one.
func (s *Store) Append(ctx context.Context, w relay.Writer, last relay.Last, a relay.Appended) error {
	return s.add(ctx, "append to the stream", s.append, w, last, &a)
}

// Begin removes everything, and makes the entries the first of a new stream.
func (s *Store) Begin(ctx context.Context, w relay.Writer, a relay.Appended) error {
	return s.add(ctx, "begin the stream", s.begin, w, relay.Last{}, &a)
}

func (s *Store) add(ctx context.Context, what string, script *redis.Script, w relay.Writer, last relay.Last, a *relay.Appended) error {
	info, err := textOf(a.Info)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	mark, err := textOf(a.Mark)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	args := make([]any, 0, 8+len(a.Entries))
	args = append(args, w.Term, w.Owner, last.Number, last.Token, a.Token, a.Whole, info, mark)
	for _, e := range a.Entries {
		args = append(args, e)
	}
	return s.write(ctx, what, script, args...)
}

// textOf returns the text of an info or a mark; empty for nil.
func textOf[T any](v *T) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// Trim removes entries below a number. The server removes whole nodes of its tree only, so some of them stay.
func (s *Store) Trim(ctx context.Context, w relay.Writer, below uint64) error {
	const what = "remove entries of the stream"
	for {
		reply, err := s.trim.Run(ctx, s.client, s.keys(), w.Term, w.Owner, below).Text()
		if err != nil {
			return rediscall.Explain(what, err)
		}
		if n, err := strconv.Atoi(reply); err != nil || n == 0 {
			return rediscall.Explain(what, refusal(reply))
		}
	}
}

// Publish stores a document for edges.
func (s *Store) Publish(ctx context.Context, w relay.Writer, document []byte) error {
	return s.write(ctx, "publish the document of the stream", s.publish, w.Term, w.Owner, document)
}

// write runs a script that may refuse.
func (s *Store) write(ctx context.Context, what string, script *redis.Script, args ...any) error {
	reply, err := script.Run(ctx, s.client, s.keys(), args...).Text()
	if err != nil {
		return rediscall.Explain(what, err)
	}
	return rediscall.Explain(what, refusal(reply))
}

// refusal returns the error of a reply.
func refusal(reply string) error {
	switch reply {
	case "stale":
		return relay.ErrStale
	case "moved":
		return relay.ErrMoved
	}
	return nil
}
