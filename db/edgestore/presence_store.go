package edgestore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pgherald/pgherald/db/rediscall"
)

// beatScript writes a heartbeat, the report and the changes of an edge. KEYS are the edges that are alive, a sorted set by the time of the last
// heartbeat in milliseconds; the users of this edge, a set with an element that is no user, so that it always exists; and two hashes with a
// field for each edge: the version of its users, and its report. ARGV are the edge, the expiry in milliseconds, the report, the number of users
// who join, these, and those who leave. It returns whether the store knew the edge, and how many others are alive.
const beatScript = nowScript + `
local known = redis.call('exists', KEYS[2])
local joins = tonumber(ARGV[4])
redis.call('sadd', KEYS[2], '')
for i = 5, #ARGV do
    redis.call(i < 5 + joins and 'sadd' or 'srem', KEYS[2], ARGV[i])
end
redis.call('pexpire', KEYS[2], 2 * ARGV[2])
if known == 0 or #ARGV > 4 then
    redis.call('hset', KEYS[3], ARGV[1], time[1] .. '.' .. time[2])
end
redis.call('hset', KEYS[4], ARGV[1], ARGV[3])
redis.call('zadd', KEYS[1], now, ARGV[1])
for _, dead in ipairs(redis.call('zrangebyscore', KEYS[1], '-inf', now - ARGV[2])) do
    redis.call('zrem', KEYS[1], dead)
    redis.call('hdel', KEYS[3], dead)
    redis.call('hdel', KEYS[4], dead)
end
return {known, redis.call('zcard', KEYS[1]) - 1}`

// write writes a heartbeat and changes. known is false if the store had no users of this edge: it was emptied, or the edge is new.
func (p *Presence) write(ctx context.Context, join, leave []string) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	args := []any{p.edge, Expiry.Milliseconds(), p.report(), len(join)}
	for _, users := range [][]string{join, leave} {
		for _, user := range users {
			args = append(args, user)
		}
	}
	keys := []string{p.store.key(aliveName), p.store.key(onlinePrefix + p.edge), p.store.key(versionsName), p.store.key(reportsName)}
	result, err := redis.NewScript(beatScript).Run(ctx, p.store.client, keys, args...).Int64Slice()
	if err == nil && len(result) != 2 {
		err = errNotOurs
	}
	if err != nil {
		return false, rediscall.Explain("write presence", err)
	}
	p.hasOther.Store(result[1] > 0)
	return result[0] == 1, nil
}

// leave removes the edge: its users are offline unless they are online elsewhere.
func (p *Presence) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = p.store.client.TxPipelined(ctx, func(q redis.Pipeliner) error { // without it, the edge expires
		q.ZRem(ctx, p.store.key(aliveName), p.edge)
		q.HDel(ctx, p.store.key(versionsName), p.edge)
		q.HDel(ctx, p.store.key(reportsName), p.edge)
		return q.Del(ctx, p.store.key(onlinePrefix+p.edge)).Err()
	})
}

// Edges follows the edges that are alive. One goroutine uses it.
type Edges struct {
	store   *Store
	known   map[string]edge
	reports [][]byte
}

// edge holds the last answer about an edge.
type edge struct {
	version string // of its users
	users   []string
	bytes   int // of the users
}

// NewEdges returns the edges of a store, before the first look.
func NewEdges(store *Store) *Edges { return &Edges{store: store, known: make(map[string]edge)} }

// The limits of what one edge, or a program with its rights, can make the relay read.
const (
	maxEdges       = 1000
	maxReportBytes = 64 << 10
	maxUsersBytes  = 64 << 20 // names of the users of all edges
)

// aliveScript returns the edges that were alive within the milliseconds ARGV[1], each with the version of its users and its report: at most ARGV[2]
// edges, and of each text at most ARGV[3] bytes.
const aliveScript = nowScript + `
local found, most = {}, tonumber(ARGV[3])
local function bounded(text)
    if not text or #text > most then return '' end
    return text
end
for _, edge in ipairs(redis.call('zrangebyscore', KEYS[1], now - ARGV[1], '+inf', 'limit', 0, ARGV[2])) do
    if #edge <= 100 then
        found[#found + 1] = edge
        found[#found + 1] = bounded(redis.call('hget', KEYS[2], edge))
        found[#found + 1] = bounded(redis.call('hget', KEYS[3], edge))
    end
end
return found`

// usersScript returns the users of an edge, or nil if their names have more than ARGV[1] bytes.
const usersScript = `
local users, left = redis.call('smembers', KEYS[1]), tonumber(ARGV[1])
for i = 1, #users do
    left = left - #users[i] - 16
    if left < 0 then return false end
end
return users`

// errTooMany says that the names of users have more than maxUsersBytes.
var errTooMany = errors.New("their names have more than 64 MiB: check that only edges write to the store")

const looking = "read who is online at the edges"

// Look reads the edges anew. It reads the users of those alone who have changed, and reports whether any has. After an error, Users and Reports are those
// of before.
func (e *Edges) Look(ctx context.Context) (hasChanged bool, err error) {
	keys := []string{e.store.key(aliveName), e.store.key(versionsName), e.store.key(reportsName)}
	found, err := redis.NewScript(aliveScript).Run(ctx, e.store.client, keys, Expiry.Milliseconds(), maxEdges, maxReportBytes).StringSlice()
	if err == nil && len(found)%3 != 0 {
		err = errNotOurs
	}
	if err != nil {
		return false, rediscall.Explain(looking, err)
	}
	next, reports, left := make(map[string]edge, len(found)/3), make([][]byte, 0, len(found)/3), maxUsersBytes
	for ; len(found) > 0; found = found[3:] {
		id, version := found[0], found[1]
		reports = append(reports, []byte(found[2]))
		if known, ok := e.known[id]; ok && known.version == version && version != "" {
			next[id] = known
			left -= known.bytes
			continue
		}
		at, err := e.usersOf(ctx, id, left)
		if err != nil {
			return false, rediscall.Explain(looking, err)
		}
		at.version, hasChanged = version, true
		next[id] = at
		left -= at.bytes
	}
	hasChanged = hasChanged || len(next) != len(e.known) // if one is gone and another came, its users were read
	e.known, e.reports = next, reports
	return hasChanged, nil
}

// usersOf reads the users of an edge, whose names may have so many bytes.
func (e *Edges) usersOf(ctx context.Context, id string, most int) (at edge, err error) {
	at.users, err = e.store.reader.Run(ctx, redis.NewScript(usersScript), []string{e.store.key(onlinePrefix + id)}, max(0, most)).StringSlice()
	if errors.Is(err, redis.Nil) {
		err = errTooMany
	}
	for _, name := range at.users {
		at.bytes += len(name) + 16
	}
	return at, err
}

// Users returns the users of all edges.
func (e *Edges) Users() map[string]bool {
	users := make(map[string]bool)
	for _, at := range e.known {
		for _, name := range at.users {
			if name != "" {
				users[name] = true
			}
		}
	}
	return users
}

// Reports returns what each edge says about itself, which may be empty, or anything that another program has written.
func (e *Edges) Reports() [][]byte { return e.reports }
