package sse

import "github.com/pgherald/pgherald/stream"

// encodePending returns events of the feed as a gzip stream contains them. It compresses public events only, and once for
// all clients that get the same.
func (g *goroutine) encodePending(bufs [][]byte, before *stream.Subscription) [][]byte {
	p, isPublic, isShared := g.stream.Sub.Passage(before)
	switch {
	case !isPublic || sizeOf(bufs) > maxCompressed:
	case !isShared:
		return [][]byte{g.server.compressors.fresh(bufs...)}
	default:
		if compressed := g.server.passages.compress(p, bufs); compressed != nil {
			return [][]byte{compressed}
		}
	}
	return storedBufs(bufs)
}

// writeReplayed writes events of the log.
func (g *goroutine) writeReplayed(bufs [][]byte) error {
	if !g.isGzip || !g.stream.Sub.IsPublic() {
		return g.write(bufs)
	}
	for len(bufs) > 0 {
		var head [][]byte
		head, bufs = cut(bufs, maxPending)
		if err := g.writeEncoded([][]byte{g.server.compressors.fresh(head...)}, sizeOf(head)); err != nil {
			return err
		}
	}
	return nil
}

// writeEncoded writes bytes of a gzip stream, which stand for so many plain ones.
func (g *goroutine) writeEncoded(bufs [][]byte, plain int) error {
	g.server.opts.Meter.Compressed(int64(plain), int64(sizeOf(bufs)))
	if !g.hasGzipHeader {
		g.hasGzipHeader = true
		bufs = append([][]byte{[]byte(gzipHeader)}, bufs...)
	}
	g.writeErr = g.tryWrite(bufs)
	return g.writeErr
}
