// Package rediscall holds what every caller of Redis or Valkey needs: what errors mean, and scripts that only read.
package rediscall

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Reader runs scripts that only read. A user needs no right to write for them. It is safe for concurrent use.
type Reader struct {
	client redis.UniversalClient
	isOld  atomic.Bool // before Redis 7: EVALSHA_RO is not known
}

// NewReader returns the reader of a client.
func NewReader(client redis.UniversalClient) *Reader { return &Reader{client: client} }

// Run runs a script. A server before Redis 7 lets it write, too.
func (r *Reader) Run(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	if !r.isOld.Load() {
		reply := script.RunRO(ctx, r.client, keys, args...)
		if !redis.HasErrorPrefix(reply.Err(), "unknown command") {
			return reply
		}
		r.isOld.Store(true)
	}
	return script.Run(ctx, r.client, keys, args...)
}
