package stream_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

// brittleLog fails at random.
type brittleLog struct {
	*streamtest.Log
	mu     sync.Mutex
	random *rand.Rand
}

// errCutOff is the error of a connection that ends before its answer.
var errCutOff = fmt.Errorf("receive the answer: %w", io.EOF)

func (l *brittleLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.random.IntN(24) {
	case 0:
		return errRefused
	case 1:
		return errCutOff
	}
	return nil
}

func (l *brittleLog) Resume(ctx context.Context, from stream.Cursor) (stream.Reading, error) {
	if err := l.failure(); err != nil {
		return nil, err
	}
	r, err := l.Log.Resume(ctx, from)
	return &brittleReading{r, l}, err
}

func (l *brittleLog) ReadTransaction(ctx context.Context, epoch string, xid uint64, after int64) (stream.Reading, error) {
	if err := l.failure(); err != nil {
		return nil, err
	}
	r, err := l.Log.ReadTransaction(ctx, epoch, xid, after)
	return &brittleReading{r, l}, err
}

type brittleReading struct {
	stream.Reading
	log *brittleLog
}

func (r *brittleReading) Next(ctx context.Context, wants stream.Interest) (stream.Transaction, error) {
	if ctx.Err() != nil {
		return stream.Transaction{}, ctx.Err()
	}
	if err := r.log.failure(); err != nil {
		return stream.Transaction{}, err
	}
	return r.Reading.Next(ctx, wants)
}

// A subscription whose catch-up fails, or is cancelled, continues where it was when CatchUp is called again: on the same
// connection it receives every event of its selection once, also within a transaction.
func TestCatchUpContinuesAfterOutages(t *testing.T) {
	for seed := range uint64(9) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel() // mostly waits
			log, cursors := history(t, 60)
			brittle := &brittleLog{Log: log, random: rand.New(rand.NewPCG(seed, 1))}
			feed := newFeed(t, brittle, stream.FeedOptions{Bytes: int64(1 + 2000*(seed%3)), Fill: 20, PageBytes: 20_000})
			var clients sync.WaitGroup
			for i, sel := range []selection{
				{}, {types: []string{"a", "b"}}, {types: []string{"c"}, grants: []string{"user:3"}}, {keys: []string{"k1"}},
				{values: []string{"1"}}, {batch: true}, {conflate: true}, {types: []string{"a"}, batch: true},
			} {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				clients.Go(func() { catchUpThroughOutages(t, feed, log, sel, cursors[random.IntN(30)], random) })
			}
			clients.Wait()
			if bytes, open := stream.CatchUpBytes(feed); bytes != 0 || open != 0 {
				t.Errorf("%d bytes in %d replays remain", bytes, open)
			}
		})
	}
}

func catchUpThroughOutages(t *testing.T, feed *stream.Feed, log *streamtest.Log, sel selection, start string, random *rand.Rand) {
	c := &client{selection: sel}
	from, err := stream.ParseCursor(start)
	if err != nil {
		t.Error(err)
		return
	}
	filter := filterOf(t, sel)
	if sel.conflate {
		filter = filter.Conflated()
	}
	c.sub = feed.SubscribeUnchecked(from, filter)
	write := func(b []byte) {
		if _, err := c.Write(b); err != nil {
			t.Error(err)
		}
	}
	write(c.sub.Sync(nil, stream.Stale(epochTime), epochTime))
	for range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		cancelAfter := random.IntN(40)
		err := receiveUntil(ctx, c.sub, func(bufs [][]byte) error {
			if cancelAfter--; cancelAfter == 0 {
				cancel()
			}
			for _, b := range bufs {
				write(b)
			}
			return nil
		})
		cancel()
		if err == nil {
			break
		}
		write(c.sub.Sync(nil, stream.Sync{Mode: stream.ModeLive}, epochTime)) // between two attempts, also within a transaction
	}
	var want, got []int64
	for _, tx := range log.Committed() {
		for _, e := range tx.Events {
			if !from.Seen(tx.XID) && sel.matches(e) {
				want = append(want, e.ID)
			}
		}
	}
	for _, e := range c.Client.Events() {
		got = append(got, e.ID)
	}
	if sel.conflate { // a part of them, each once
		checkSubset(t, want, got)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("client from %s with %+v: %s", start, sel, diff)
	}
}

func checkSubset(t *testing.T, of, ids []int64) {
	left := make(map[int64]bool)
	for _, id := range of {
		left[id] = true
	}
	for _, id := range ids {
		if !left[id] {
			t.Errorf("event %d came twice or does not match", id)
		}
		delete(left, id)
	}
}

// receiveUntil is receive with a context.
func receiveUntil(ctx context.Context, sub *stream.Subscription, emit func([][]byte) error) error {
	for {
		bufs, err := sub.Pending(nil, 1<<20)
		if err == nil && len(bufs) == 0 {
			return nil
		}
		if err == nil {
			err = emit(bufs)
		} else {
			err = sub.CatchUp(ctx, stream.CatchUpClient{Emit: emit})
		}
		if err != nil {
			return err
		}
	}
}
