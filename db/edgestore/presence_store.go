package edgestore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// beatScript writes a heartbeat and the changes of an edge. KEYS are the edges, a sorted
// set by the time of the last heartbeat in milliseconds, and the users of this edge, a set with an element that is no user, so that it
// always exists. ARGV are the edge, the expiry in milliseconds, the number of users who join, these, and those who leave. It returns
// whether the store knew the edge, and how many others are alive.
const beatScript = `
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('exists', KEYS[2])
local joins = tonumber(ARGV[3])
redis.call('sadd', KEYS[2], '')
for i = 4, #ARGV do
    redis.call(i < 4 + joins and 'sadd' or 'srem', KEYS[2], ARGV[i])
end
redis.call('pexpire', KEYS[2], 2 * ARGV[2])
redis.call('zadd', KEYS[1], now, ARGV[1])
redis.call('zremrangebyscore', KEYS[1], '-inf', now - ARGV[2])
return {known, redis.call('zcard', KEYS[1]) - 1}`

// write writes a heartbeat and changes. known is false if the store had no users of this edge: it was emptied, or the edge is new.
func (p *Presence) write(ctx context.Context, join, leave []string) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	args := []any{p.edge, Expiry.Milliseconds(), len(join)}
	for _, users := range [][]string{join, leave} {
		for _, user := range users {
			args = append(args, user)
		}
	}
	keys := []string{p.store.key(edgesName), p.store.key(onlinePrefix + p.edge)}
	result, err := redis.NewScript(beatScript).Run(ctx, p.store.client, keys, args...).Int64Slice()
	if err != nil || len(result) != 2 {
		return false, fmt.Errorf("write presence: %w", err)
	}
	p.hasOther.Store(result[1] > 0)
	return result[0] == 1, nil
}

// leave removes the edge: its users are offline unless they are online elsewhere.
func (p *Presence) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = p.store.client.TxPipelined(ctx, func(q redis.Pipeliner) error { // without it, the edge expires
		q.ZRem(ctx, p.store.key(edgesName), p.edge)
		return q.Del(ctx, p.store.key(onlinePrefix+p.edge)).Err()
	})
}

// Online returns the users of the edges that are alive.
func (s *Store) Online(ctx context.Context) (users map[string]bool, edges int, err error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("read who is online at the edges: %w", err)
	}
	alive, err := s.client.ZRangeByScore(ctx, s.key(edgesName), &redis.ZRangeBy{
		Min: strconv.FormatInt(now.Add(-Expiry).UnixMilli(), 10), Max: "+inf",
	}).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("read who is online at the edges: %w", err)
	}
	users = make(map[string]bool)
	for _, edge := range alive {
		names, err := s.client.SMembers(ctx, s.key(onlinePrefix+edge)).Result()
		if err != nil {
			return nil, 0, fmt.Errorf("read who is online at the edges: %w", err)
		}
		for _, name := range names {
			if name != "" {
				users[name] = true
			}
		}
	}
	return users, len(alive), nil
}
