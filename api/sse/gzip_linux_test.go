package sse

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/pacing"
)

// twins are two clients of a shard that get the same, one of them compressed.
type twins struct {
	plain, packed         *client
	plainPeer, packedPeer int
	text, compressed      bytes.Buffer // what they have received
}

// addTwins gives the shard two clients with the filter. The second one comes at a random place of the next pass.
func (f *fan) addTwins(filter stream.Filter) *twins {
	f.Helper()
	t := new(twins)
	t.plain, t.plainPeer = f.shard.addClient(f, nil, func(End) {})
	t.packed, t.packedPeer = f.shard.addClient(f, nil, func(End) {})
	for _, c := range []*client{t.plain, t.packed} {
		sub, _, err := f.feed.Subscribe(f.Context(), stream.Cursor{}, filter)
		if err != nil {
			f.Fatal(err)
		}
		c.sub = *sub
	}
	t.packed.piece = noPiece
	t.compressed.WriteString(gzipHeader)
	return t
}

// receive reads what has arrived.
func (f *fan) receive(t *twins) {
	t.text.WriteString(f.read(t.plainPeer))
	t.compressed.WriteString(f.read(t.packedPeer))
}

// check compares what the twins have received. Everything that was sent must be readable now.
func (f *fan) check(t *twins) {
	f.Helper()
	f.receive(t)
	got := f.gunzip(t.compressed.Bytes())
	if got != t.text.String() {
		f.Fatalf("the compressed stream has %d bytes:\n%.2000s\nthe plain one %d:\n%.2000s", len(got), got, t.text.Len(), t.text.String())
	}
}

// gunzip returns what a decoder has of a gzip stream without an end.
func (f *fan) gunzip(compressed []byte) string {
	f.Helper()
	if len(compressed) > len(gzipHeader) && !bytes.HasSuffix(compressed, []byte("\x00\x00\xff\xff")) {
		f.Fatal("the stream does not end with an empty block: a decoder may wait for more")
	}
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		f.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		f.Fatalf("decompress: got %v after %d bytes, want an unexpected end", err, len(got))
	}
	return string(got)
}

// closeTwins closes both clients.
func (t *twins) close() {
	t.plain.close(CloseClientGone)
	t.packed.close(CloseClientGone)
}

// commitRandom commits up to five events. Some are large, some cannot be compressed, and some have an audience.
func (f *fan) commitRandom(r *rand.Rand) {
	changed := f.feed.Changed()
	tx := f.log.Begin()
	for range 1 + r.IntN(5) {
		e := stream.Event{Type: fmt.Sprintf("type_%d", r.IntN(3)), Key: fmt.Sprint(r.IntN(9))}
		text := strings.Repeat("the status of the order ", r.IntN(8))
		switch r.IntN(12) {
		case 0:
			text = strings.Repeat(text, 40)
		case 1:
			noise := make([]byte, r.IntN(9000))
			for i := range noise {
				noise[i] = "0123456789abcdefghijklmnopqrstuv"[r.IntN(32)]
			}
			text = string(noise)
		case 2:
			e.Audience = []string{"role:nurse"}
		}
		e.Data, _ = json.Marshal(map[string]any{"id": r.Uint32(), "text": text})
		tx.Append(e)
	}
	tx.Commit()
	f.wake <- struct{}{}
	<-changed
}

// A compressed stream has exactly the bytes of the plain one, while clients join and leave, whatever frames they get of their
// own, and wherever chains are cleared.
func TestCompressedStreamsHaveTheBytesOfPlainOnes(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f, r := newFan(t), rand.New(rand.NewPCG(seed, 1))
			f.shard.server.opts.Now = func() time.Time { return time.UnixMilli(1764000000000) }
			var all []*twins
			for range 150 {
				f.step(r, &all)
			}
			for _, w := range all {
				f.check(w)
			}
		})
	}
}

// step does something at random.
func (f *fan) step(r *rand.Rand, all *[]*twins) {
	f.Helper()
	var one *twins
	n := 0
	if len(*all) > 0 {
		n = r.IntN(len(*all))
		one = (*all)[n]
	}
	switch what := r.IntN(20); {
	case one == nil || what == 0 && len(*all) < 12:
		*all = append(*all, f.addTwins(f.randomFilter(r)))
	case what == 1:
		f.check(one)
		one.close()
		*all = slices.Delete(*all, n, n+1)
	case what == 2:
		frame := one.plain.sub.Heartbeat(nil, f.shard.server.opts.Now())
		one.plain.writeFrame(frame)
		one.packed.writeFrame(frame)
	case what == 3: // served alone, as after a message
		p := f.feed.NewFanOutPass(pacing.MaxWrite)
		f.commitRandom(r)
		f.shard.deflater.begin(false, 0)
		f.shard.serve(one.plain, p)
		f.shard.serve(one.packed, p)
	default:
		f.commitRandom(r)
		f.shard.pass()
	}
	for _, w := range *all {
		f.receive(w)
	}
}

func (f *fan) randomFilter(r *rand.Rand) stream.Filter {
	f.Helper()
	query := map[string][]string{}
	if n := r.IntN(8); n > 2 {
		query["types"] = []string{fmt.Sprintf("type_%d", n%3)}
	}
	filter, err := stream.ParseFilter(query, nil)
	if err != nil {
		f.Fatal(err)
	}
	if r.IntN(3) == 0 {
		filter = filter.WithGrants([]string{"role:nurse"})
	}
	return filter
}

// Most passes are a fraction of the plain bytes, also those of a single event, because they refer to earlier ones.
func TestChainsShrinkStreams(t *testing.T) {
	f := newFan(t)
	var all []*twins
	for range 3 {
		all = append(all, f.addTwins(stream.Filter{}))
	}
	for n := range 200 {
		changed := f.feed.Changed()
		tx := f.log.Begin()
		tx.Append(stream.Event{Type: "activity_updated", Key: fmt.Sprint(n % 50), Data: fmt.Appendf(nil,
			`{"id":"0190a1b2-%04d","category":"Maintenance","status":"in_progress","assignee":{"id":%d,"name":"Ann Example"},"priority":%d,"title":"Check the pump of ward %d","updated_at":"2026-11-30T12:%02d:%02d.%06d+00:00"}`,
			n*7919%10000, n%13, n%4, n%30, n/60, n%60, n*104729%1000000)})
		tx.Commit()
		f.wake <- struct{}{}
		<-changed
		f.shard.pass()
		for _, w := range all {
			f.receive(w)
		}
	}
	for _, w := range all {
		f.check(w)
		if ratio := float64(w.text.Len()) / float64(w.compressed.Len()); ratio < 3 {
			t.Errorf("%d bytes became %d: a ratio of %.1f, want at least 3", w.text.Len(), w.compressed.Len(), ratio)
		}
	}
}

// Events with an audience are not compressed for the clients that may receive them: the length would tell what they have in
// common with text that others wrote.
func TestEventsWithAnAudienceAreNotCompressed(t *testing.T) {
	const secret = "the password is swordfish, the password is swordfish, the password is swordfish"
	f := newFan(t)
	nurse, other := f.addTwins(stream.Filter{}.WithGrants([]string{"role:nurse"})), f.addTwins(stream.Filter{}.WithGrants([]string{"role:cook"}))
	f.commitFor(secret, []string{"role:nurse"})
	f.shard.pass()
	for _, w := range []*twins{nurse, other} {
		f.check(w)
	}
	if !bytes.Contains(nurse.compressed.Bytes(), []byte(secret)) {
		t.Error("the event was compressed")
	}
	f.commitFor(secret, nil)
	f.shard.pass()
	f.check(other)
	if bytes.Contains(other.compressed.Bytes(), []byte(secret)) {
		t.Error("a public event was not compressed")
	}
}

func (f *fan) commitFor(text string, audience []string) {
	changed := f.feed.Changed()
	tx := f.log.Begin()
	data, _ := json.Marshal(text)
	tx.Append(stream.Event{Type: "note", Data: data, Audience: audience})
	tx.Commit()
	f.wake <- struct{}{}
	<-changed
}

// A compressed client that does not read keeps one compressed pass, and loses nothing when it reads on.
func TestStalledCompressedClientKeepsOnePass(t *testing.T) {
	const burst = 1000
	f := newFan(t)
	w := f.addTwins(stream.Filter{})
	f.shrink(w.packed)
	f.commit(slices.Repeat([]string{"large"}, burst)...)
	f.shard.pass()
	f.receive(w)
	for n := 0; w.packed.stalledSince == 0; n++ {
		if n == 1000 {
			t.Fatal("the client does not stall")
		}
		f.commitRandom(rand.New(rand.NewPCG(uint64(n), 2)))
		f.shard.pass()
		w.text.WriteString(f.read(w.plainPeer))
	}
	sent, keeps := w.packed.bytes, kept(w.packed)
	for range 20 {
		f.commit("small")
		f.shard.pass()
	}
	if keeps > maxCompressed || kept(w.packed) != keeps || w.packed.bytes != sent {
		t.Errorf("the client keeps %d bytes after 20 passes and kept %d before; it got %d bytes", kept(w.packed), keeps, w.packed.bytes-sent)
	}
	for got := -1; got != w.compressed.Len(); {
		got = w.compressed.Len()
		f.receive(w)
		f.socketChanged(w.packed)
	}
	f.check(w)
}

// A heartbeat of a client that follows a chain is postponed while events come: it would have to leave the chain. No stream is
// silent for longer than a heartbeat.
func TestHeartbeatsOfCompressedClients(t *testing.T) {
	f := newFan(t)
	w := f.addTwins(stream.Filter{})
	for range 3 {
		f.commit("a")
		f.shard.pass()
	}
	f.check(w)
	last := time.Now()
	beat := f.shard.server.opts.Heartbeat
	w.packed.beatAt, w.plain.beatAt = 1, f.shard.server.since(last.Add(100*beat))
	f.shard.sweep(last)
	if got := f.read(w.packedPeer); got != "" {
		t.Fatalf("got %q right after an event, want nothing", got)
	}
	if at := w.packed.beatAt; at > f.shard.server.since(last.Add(beat)) {
		t.Fatalf("the next heartbeat comes %v after the last event, want at most %v", time.Duration(at-f.shard.server.since(last)), beat)
	}
	f.shard.sweep(last.Add(beat))
	w.compressed.WriteString(f.read(w.packedPeer))
	if got := f.gunzip(w.compressed.Bytes()); !strings.Contains(got, "heartbeat") {
		t.Errorf("got no heartbeat after %v without an event", beat)
	}
	if w.packed.piece != noPiece {
		t.Error("a client that got a heartbeat follows the chain")
	}
}

// Events that come without end postpone a heartbeat a few times only.
func TestHeartbeatsAreNotPostponedForEver(t *testing.T) {
	f := newFan(t)
	w := f.addTwins(stream.Filter{})
	for n := range 2 * (maxPostponed + 1) {
		now := time.Now()
		for range 3 { // a client that has left the chain follows it again
			f.commit("a")
			f.shard.pass()
		}
		w.packed.beatAt, w.plain.beatAt = 1, f.shard.server.since(now.Add(100*f.shard.server.opts.Heartbeat))
		f.shard.sweep(now)
		f.receive(w)
		got := strings.Count(f.gunzip(w.compressed.Bytes()), `"type":"heartbeat"`)
		if want := (n + 1) / (maxPostponed + 1); got != want {
			t.Fatalf("%d heartbeats were due while events came, and %d were sent, want %d", n+1, got, want)
		}
	}
}

// A client whose bytes exceed what a pass may compress leaves its chain.
func TestClientLeavesTheChainBeyondTheBoundsOfAPass(t *testing.T) {
	var d deflater
	d.begin(true, 1)
	ch := &chain{compressor: newCompressor(), newest: 5}
	c := &client{piece: 5}
	d.pieces = maxPieces
	if got := d.choose(&piece{chain: ch}, c, []byte("data")); !bytes.Equal(got, stored([]byte("data"))) || c.piece != noPiece || ch.newest != 5 {
		t.Errorf("got %q, piece %d of the client and %d of the chain", got, c.piece, ch.newest)
	}
}

// A shard has few chains, however many filters its clients have.
func TestChainsAreFew(t *testing.T) {
	f := newFan(t)
	for n := range 3 * maxChains {
		filter, err := stream.ParseFilter(map[string][]string{"types": {"small", fmt.Sprintf("type_%d", n)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.addTwins(filter)
	}
	for range 5 {
		f.commit("small")
		f.shard.pass()
	}
	if n := len(f.shard.deflater.chains); n != maxChains {
		t.Errorf("got %d chains, want %d", n, maxChains)
	}
	if f.shard.deflater.pieces > maxPieces {
		t.Errorf("a pass compressed %d pieces, want at most %d", f.shard.deflater.pieces, maxPieces)
	}
}

// A filter beyond the bound takes no chain that is in use, whichever clients the passes serve, and one that is idle.
func TestChainsInUseAreKept(t *testing.T) {
	var d deflater
	filters := []string{"a", "b", "c", "d"}
	chainsOf := func(now int64) (chains []*chain) {
		d.begin(true, now)
		for _, filter := range filters {
			chains = append(chains, d.chainOf(filter))
		}
		return chains
	}
	want := chainsOf(1)
	for now := int64(2); now < 6; now++ {
		for range 3 { // messages, and batch windows that end
			d.begin(false, 0)
			d.begin(true, now)
			d.chainOf("a")
		}
		d.begin(true, now)
		if d.chainOf("the fifth") != nil {
			t.Fatal("the fifth filter has a chain in use")
		}
		if got := chainsOf(now); !slices.Equal(got, want) {
			t.Fatal("the chains are others")
		}
	}
	filters = filters[1:]
	chainsOf(maxIdle)
	d.begin(true, maxIdle+6)
	if d.chainOf("the fifth") == nil || len(d.chains) != maxChains || d.chains["a"] != nil {
		t.Errorf("the chain of the idle filter is not given to another one: %d chains", len(d.chains))
	}
}

// A chain takes a megabyte, so it does not outlive its use.
func TestUnusedChainsAreDropped(t *testing.T) {
	var d deflater
	for _, filter := range []string{"used", "unused"} {
		d.begin(true, 1)
		d.chainOf(filter)
	}
	d.begin(true, maxUnused)
	kept := d.chainOf("used")
	d.begin(true, maxUnused+2)
	if len(d.chains) != 1 || d.chains["used"] != kept {
		t.Errorf("%d chains are kept, want the one in use", len(d.chains))
	}
}

// Without events there are no passes.
func TestSweepsDropUnusedChains(t *testing.T) {
	f := newFan(t)
	f.addTwins(stream.Filter{})
	f.commit("a")
	f.shard.pass()
	if len(f.shard.deflater.chains) == 0 {
		t.Fatal("a pass left no chain")
	}
	f.shard.sweep(time.Now().Add(2 * time.Duration(maxUnused)))
	if n := len(f.shard.deflater.chains); n != 0 {
		t.Errorf("%d unused chains are kept", n)
	}
}
