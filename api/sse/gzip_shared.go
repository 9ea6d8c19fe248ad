package sse

import (
	"sync"

	"github.com/pgherald/pgherald/stream"
)

// compressors lends compressors, which take about a megabyte each, to the goroutines that serve streams.
type compressors chan *compressor

// newCompressors returns compressors that n goroutines can use at a time. They are made when they are used.
func newCompressors(n int) compressors {
	c := make(compressors, n)
	for range n {
		c <- nil
	}
	return c
}

// fresh compresses bytes without a reference to earlier ones.
func (c compressors) fresh(bufs ...[]byte) []byte {
	used := <-c
	if used == nil {
		used = newCompressor()
	}
	defer func() { c <- used }()
	return used.fresh(bufs...)
}

// maxPassages is how many results are compressed for the clients that have come to the same position of the feed. Clients
// with as many different filters share too little.
const maxPassages = 16

// freshPassages shares the compressed forms of what goroutines write from the feed. It keeps those of the newest position.
type freshPassages struct {
	compressors compressors

	mu    sync.Mutex // guards the fields below
	end   stream.Passage
	known map[stream.Passage]*freshPassage
}

type freshPassage struct {
	once sync.Once
	data []byte
}

// compress returns the compressed form of what Pending has returned with this passage, or nil if there are too many
// different ones.
func (f *freshPassages) compress(p stream.Passage, bufs [][]byte) []byte {
	shared := f.find(p)
	if shared == nil {
		return nil
	}
	shared.once.Do(func() { shared.data = f.compressors.fresh(bufs...) })
	return shared.data
}

func (f *freshPassages) find(p stream.Passage) *freshPassage {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.known[p]; known != nil {
		return known
	}
	switch {
	case f.known == nil || p.IsAfter(f.end):
		f.end, f.known = p, make(map[stream.Passage]*freshPassage)
	case !p.Ends(f.end) || len(f.known) == maxPassages:
		return nil
	}
	fresh := new(freshPassage)
	f.known[p] = fresh
	return fresh
}
