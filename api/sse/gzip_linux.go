package sse

import (
	"time"

	"github.com/pgherald/pgherald/stream"
)

// Bounds of what a shard compresses. Beyond them it sends stored blocks.
const (
	// maxChains bounds the filters whose passes are chained, because a chain takes a megabyte.
	maxChains = 4
	// maxChained is the number of passes after which a chain is cleared, so that new clients can follow it.
	maxChained = 64
	// maxIdle is the time in nanoseconds after which a new filter may have the chain of one that has got nothing. It is longer
	// than the longest batch window.
	maxIdle = int64(15 * time.Second)
	// maxUnused is the time in nanoseconds after which the chain of a filter that has got nothing gives its memory back.
	maxUnused = 4 * maxIdle
	// maxPieces and maxPieceBytes bound what is compressed in a fan-out pass. With more, cohorts are small, or the pass
	// would keep the clients waiting.
	maxPieces     = 16
	maxPieceBytes = 2 * maxCompressed
)

// maxPostponed is the number of heartbeats in a row that a chain may postpone. A client may wait for one although events come: it
// says that the log was read up to a point.
const maxPostponed = 2

// noPiece is the piece of a client that follows no chain.
const noPiece = 1

// deflater compresses what a shard sends, once for each cohort and fan-out pass. For each of a few filters it has a chain:
// a deflate stream whose history it clears now and then. A client that has received all pieces of the chain since the
// last clear point, and nothing else in between, follows the chain: it gets the next piece, which refers to them. The
// others get the same bytes compressed alone (fresh), and follow the chain from its next clear point on.
//
// The window of a client's decoder also has what came before the clear point, but no piece refers to that.
type deflater struct {
	pass      uint64
	canChain  bool // whether this pass serves all clients of the shard
	now       int64
	pieces    int // compressed in this pass
	bytes     int // of those, before
	alone     *compressor
	chains    map[string]*chain // by the criteria of the filter
	lastPiece uint64            // the number of the newest piece of all chains

	plain, sent int64 // bytes that the meter has not counted yet
}

// chain is the deflate stream of a filter.
type chain struct {
	compressor *compressor
	newest     uint64 // number of its newest piece
	at         int64  // when that was made; see Server.since
	length     int    // pieces since the clear point
	usedIn     uint64 // the last pass that has used it
	usedAt     int64  // when that began

	following, behind int // clients that got the last pass's bytes as a piece, and as fresh ones
	mustClear         bool
}

// piece holds the forms of what Pending has returned to a cohort.
type piece struct {
	chain   *chain // nil if the bytes are in no chain
	fresh   []byte // for clients that do not follow it; nil until one needs them
	chained []byte // nil until a client that follows the chain needs them
	isClear bool   // fresh begins the chain: all clients follow from here on
	// before is the number of the piece before chained, and number that of chained, or of fresh if isClear is set.
	before, number uint64
}

// begin begins a fan-out pass. all says whether it serves all clients of the shard. Clients of a chain that begin drops
// get the next pass's bytes as those of a new chain, which no earlier piece is part of.
func (d *deflater) begin(all bool, now int64) {
	d.pass++
	d.canChain, d.now, d.pieces, d.bytes = all, now, 0, 0
	d.dropUnused(now)
}

// dropUnused gives the memory of chains back that have been unused for long. Without events there is no pass, so sweeps
// call it as well.
func (d *deflater) dropUnused(now int64) {
	for filter, ch := range d.chains {
		if now-ch.usedAt > maxUnused {
			delete(d.chains, filter)
		}
	}
}

// encode returns the pending bytes of a client, data, in the form that it can decode.
func (d *deflater) encode(p *stream.FanOutPass, c *client, data []byte) []byte {
	e, ok := p.Attached().(*piece)
	if !ok {
		e = d.newPiece(p, c, data)
		p.Attach(e)
	}
	encoded := d.choose(e, c, data)
	d.plain += int64(len(data))
	d.sent += int64(len(encoded))
	return encoded
}

func (d *deflater) newPiece(p *stream.FanOutPass, c *client, data []byte) *piece {
	if !p.IsPublic() || !d.mayCompress(data) {
		return &piece{fresh: stored(data)}
	}
	e := &piece{chain: d.chainOf(c.sub.Criteria())}
	if ch := e.chain; ch != nil && ch.mustClear {
		ch.mustClear, ch.length = false, 0
		e.isClear, e.fresh = true, d.compress(ch.compressor.fresh, data)
		e.number = d.extend(ch)
	}
	return e
}

// choose returns the form of the piece for the client, and notes which piece the client has then.
func (d *deflater) choose(e *piece, c *client, data []byte) []byte {
	ch := e.chain
	switch {
	case ch == nil:
		c.piece = noPiece
		return d.freshOf(e, data)
	case e.isClear:
		ch.following++
		c.piece = e.number
		return e.fresh
	case e.chained == nil && c.piece == ch.newest && d.mayCompress(data):
		e.before, e.chained = ch.newest, d.compress(ch.compressor.chained, data)
		e.number = d.extend(ch)
	}
	if e.chained != nil && c.piece == e.before {
		ch.following++
		c.piece = e.number
		return e.chained
	}
	ch.behind++
	c.piece = noPiece
	return d.freshOf(e, data)
}

func (d *deflater) freshOf(e *piece, data []byte) []byte {
	switch {
	case e.fresh != nil:
	case d.mayCompress(data):
		if d.alone == nil {
			d.alone = newCompressor()
		}
		e.fresh = d.compress(d.alone.fresh, data)
	default:
		e.fresh = stored(data)
	}
	return e.fresh
}

// mayCompress reports whether so many bytes may be compressed in this pass.
func (d *deflater) mayCompress(data []byte) bool {
	return len(data) <= maxCompressed && d.pieces < maxPieces && d.bytes+len(data) <= maxPieceBytes
}

func (d *deflater) compress(how func(...[]byte) []byte, data []byte) []byte {
	d.pieces++
	d.bytes += len(data)
	return how(data)
}

// extend gives the piece that was added to the chain a number.
func (d *deflater) extend(ch *chain) uint64 {
	d.lastPiece = max(d.lastPiece, noPiece) + 1
	ch.newest, ch.at = d.lastPiece, d.now
	ch.length++
	return ch.newest
}

// chainOf returns the chain of a filter, nil if it can have none. At the first use in a pass it decides whether to clear
// the chain: when it is long, or when fewer clients follow it than do not, since they could from then on.
func (d *deflater) chainOf(criteria string) *chain {
	if !d.canChain {
		return nil
	}
	ch := d.chains[criteria]
	if ch == nil {
		if ch = d.addChain(criteria); ch == nil {
			return nil
		}
	}
	if ch.usedIn != d.pass {
		ch.mustClear = ch.length == 0 || ch.length >= maxChained || ch.following < ch.behind
		ch.usedIn, ch.usedAt, ch.following, ch.behind = d.pass, d.now, 0, 0
	}
	return ch
}

// addChain returns a new chain, if necessary with the compressor of one that is idle. A pass that serves some clients of the
// shard uses few chains, so the number of passes does not tell which ones are.
func (d *deflater) addChain(criteria string) *chain {
	ch := &chain{}
	if len(d.chains) == maxChains {
		for key, old := range d.chains {
			if d.now-old.usedAt > maxIdle {
				ch.compressor = old.compressor
				delete(d.chains, key)
				break
			}
		}
		if ch.compressor == nil {
			return nil
		}
	} else {
		ch.compressor = newCompressor()
	}
	if d.chains == nil {
		d.chains = make(map[string]*chain)
	}
	d.chains[criteria] = ch
	return ch
}

// sentAt returns when the client got the newest piece of a chain; 0 if it follows none.
func (d *deflater) sentAt(c *client) int64 {
	for _, ch := range d.chains {
		if ch.newest == c.piece {
			return ch.at
		}
	}
	return 0
}

// own returns a frame of the client's own in a gzip stream. The client does not follow a chain then, until its next clear
// point. The frame is not compressed: it may have a secret, and is short.
func (c *client) own(frame []byte) []byte {
	if !c.isGzip() {
		return frame
	}
	c.piece = noPiece
	encoded := stored(frame)
	c.shard.deflater.plain += int64(len(frame))
	c.shard.deflater.sent += int64(len(encoded))
	return encoded
}

// postponeBeat puts the heartbeat of a client that follows a chain off to one heartbeat after the last piece, and
// reports whether it has: a heartbeat would make the client leave the chain. It does so a few times in a row at most.
func (c *client) postponeBeat(now time.Time) bool {
	at, beat := c.shard.deflater.sentAt(c), int64(c.shard.server.opts.Heartbeat)
	isRecent := at != 0 && c.shard.server.since(now)-at <= beat/4 // clients whose last pass is the same would be due together
	if !isRecent || c.postponed >= maxPostponed {
		c.postponed = 0
		return false
	}
	c.postponed++
	c.beatAt = at + beat
	return true
}

// encode returns events of the log as the client's stream contains them. Only public ones are compressed.
func (u *catchUp) encode(bufs [][]byte) [][]byte {
	encoded := bufs
	if u.client.sub.IsPublic() {
		u.takeTurn(func(t *catchUpTurn) {
			if t.compressor == nil {
				t.compressor = newCompressor()
			}
			encoded = [][]byte{t.compressor.fresh(bufs...)}
		})
	} else {
		encoded = storedBufs(bufs)
	}
	u.client.shard.server.opts.Meter.Compressed(int64(sizeOf(bufs)), int64(sizeOf(encoded)))
	return encoded
}

// sendEncoded sends events in a gzip stream. It encodes few at a time, because the client may take long for them.
func (u *catchUp) sendEncoded(bufs [][]byte) error {
	u.client.piece = noPiece
	for len(bufs) > 0 {
		var head [][]byte
		head, bufs = cut(bufs, storeCopied)
		for _, b := range u.encode(head) {
			if err := u.send(b); err != nil {
				return err
			}
		}
	}
	return nil
}
