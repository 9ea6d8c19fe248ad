package streamstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
	"github.com/pgherald/pgherald/stream/relay"
)

var _ relay.Store = (*Store)(nil)

// waitTime bounds a Wait. A stream that was cut off wakes no reader of a number above its end.
const waitTime = 500 * time.Millisecond

// State returns the state of the stream.
func (s *Store) State(ctx context.Context) (relay.State, error) {
	const what = "read the state of the stream"
	found, err := s.reader.Run(ctx, s.state, s.keys()).StringSlice()
	if err != nil {
		return relay.State{}, rediscall.Explain(what, err)
	}
	st, err := parseState(found)
	return st, rediscall.Explain(what, err)
}

// The fields of a state, as its script returns them.
const (
	termField = iota
	ownerField
	lastField
	tokenField
	forkField
	wholeField
	infoField
	infoAtField
	markField
	markAtField
	nowField
	fields
)

func parseState(found []string) (st relay.State, err error) {
	if len(found) != fields {
		return st, errors.New("the script returned something else")
	}
	number := func(field int) (n uint64) {
		if text := found[field]; text != "" && err == nil {
			if n, err = strconv.ParseUint(text, 10, 63); err != nil {
				err = fmt.Errorf("%q is no number", text)
			}
		}
		return n
	}
	now := number(nowField)
	age := func(field int) time.Duration { return time.Duration(now-min(now, number(field))) * time.Millisecond }
	st.Term, st.Owner = number(termField), found[ownerField]
	st.Number, st.Token, st.Fork, st.Whole = number(lastField), found[tokenField], found[forkField], number(wholeField)
	st.InfoAge, st.MarkAge = age(infoAtField), age(markAtField)
	for field, to := range map[int]any{infoField: &st.Info, markField: &st.Mark} {
		if text := found[field]; text != "" && err == nil {
			err = json.Unmarshal([]byte(text), to)
		}
	}
	return st, err
}

const readingEntries = "read entries of the stream"

// Range returns entries from a number on.
func (s *Store) Range(ctx context.Context, from uint64, most int, bytes int64) (relay.Page, error) {
	found, err := s.reader.Run(ctx, s.entries, s.keys(), from, most, bytes).StringSlice()
	if err != nil {
		return relay.Page{}, rediscall.Explain(readingEntries, err)
	}
	page, err := parsePage(found)
	return page, rediscall.Explain(readingEntries, err)
}

// Look returns the state, and entries from a number on, with one script.
func (s *Store) Look(ctx context.Context, from uint64, most int, bytes int64) (st relay.State, page relay.Page, err error) {
	found, err := s.reader.Run(ctx, s.look, s.keys(), from, most, bytes).StringSlice()
	if err == nil {
		st, err = parseState(found[:min(fields, len(found))])
	}
	if err == nil {
		page, err = parsePage(found[fields:])
	}
	return st, page, rediscall.Explain(readingEntries, err)
}

func parsePage(found []string) (relay.Page, error) {
	if len(found)%2 != 1 {
		return relay.Page{}, errors.New("the script returned something else")
	}
	page := relay.Page{Fork: found[0], Entries: make([]relay.Stored, 0, len(found)/2)}
	for i := 1; i < len(found); i += 2 {
		text, isOurs := strings.CutSuffix(found[i], "-0")
		number, err := strconv.ParseUint(text, 10, 63)
		if err != nil || !isOurs {
			return relay.Page{}, fmt.Errorf("%s is no id of a relay", found[i])
		}
		page.Entries = append(page.Entries, relay.Stored{Number: number, Data: []byte(found[i+1])})
	}
	return page, nil
}

// Wait waits until there may be an entry above the number, or for half a second.
func (s *Store) Wait(ctx context.Context, after uint64) error {
	// The client does not interrupt what waits when ctx ends, and waits 10 s longer for a server that does not answer.
	ctx, cancel := context.WithTimeout(ctx, waitTime+answerTimeout)
	defer cancel()
	err := s.client.XRead(ctx, &redis.XReadArgs{
		Streams: []string{s.Key("log"), strconv.FormatUint(after, 10) + "-0"}, Count: 1, Block: waitTime,
	}).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return rediscall.Explain("wait for the stream", err)
}

// Document returns the document that the relay has published for edges, and its version, which rises with each change; an empty one and 0 without
// one.
func (s *Store) Document(ctx context.Context) (text []byte, version uint64, err error) {
	const what = "read the document of the stream"
	found, err := s.client.HMGet(ctx, s.Key("state"), "document", "document_version").Result()
	if err != nil {
		return nil, 0, rediscall.Explain(what, err)
	}
	document, _ := found[0].(string)
	if number, ok := found[1].(string); ok {
		if version, err = strconv.ParseUint(number, 10, 64); err != nil {
			return nil, 0, rediscall.Explain(what, err)
		}
	}
	return []byte(document), version, nil
}
