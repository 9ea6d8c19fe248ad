package streamstore

import "github.com/redis/go-redis/v9"

// scripts are what a Store runs.
type scripts struct {
	claim, append, begin, trim, publish, state, entries, look *redis.Script
}

func newScripts() scripts {
	return scripts{
		claim: claimScript(), append: appendScript(), begin: beginScript(), trim: trimScript(), publish: publishScript(), state: stateScript(),
		entries: rangeScript(), look: lookScript(),
	}
}

// The scripts have the keys of the stream and of the state.

// common has what several scripts need. lastOf returns the number of the last entry: 0 without one, and -1 if its id is not of a relay.
// refuse returns a reply if the writer ARGV[1] (its term) and ARGV[2] (its owner) is not the present one, and otherwise makes it that.
const common = `
local function lastOf(key)
    local found = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
    if #found == 0 then return 0 end
    return tonumber(string.match(found[1][1], '^(%d+)%-0$') or '-1')
end
local function text(number) return string.format('%.0f', number) end
local function now()
    local time = redis.call('TIME')
    return text(time[1] * 1000 + math.floor(time[2] / 1000))
end
local function refuse()
    local present = redis.call('HMGET', KEYS[2], 'term', 'owner')
    local term, mine = tonumber(present[1] or '0'), tonumber(ARGV[1])
    if mine < term or mine == term and present[2] ~= ARGV[2] then return 'stale' end
    if mine > term then redis.call('HSET', KEYS[2], 'term', ARGV[1], 'owner', ARGV[2]) end
    return false
end
local function describe(info, mark)
    if info ~= '' then redis.call('HSET', KEYS[2], 'info', info, 'info_at', now()) end
    if mark ~= '' then redis.call('HSET', KEYS[2], 'mark', mark, 'mark_at', now()) end
end
`

// claim takes the term, and corrects what others have removed from the stream: the last entry counts. It must also succeed on a server without
// memory, or nothing could be removed there: a script that has begun to write may go on, and HDEL may be the first write.
func claimScript() *redis.Script {
	return redis.NewScript(common + `
redis.call('HDEL', KEYS[2], '')
local refused = refuse()
if refused then return refused end
local last = lastOf(KEYS[1])
if last > 0 then redis.pcall('XSETID', KEYS[1], text(last) .. '-0') end
redis.call('HSET', KEYS[2], 'last', text(math.max(last, 0)), 'fork', ARGV[3])
return 'ok'
`)
}

// append has, after the writer, the number of the last entry, its token, this write's, the number of the last whole one, the info, the mark and
// the entries.
func appendScript() *redis.Script {
	return redis.NewScript(common + `
local refused = refuse()
if refused then return refused end
local last = lastOf(KEYS[1])
if last ~= tonumber(ARGV[3]) or redis.call('HGET', KEYS[2], 'token') ~= ARGV[4] then return 'moved' end
for i = 9, #ARGV do
    last = last + 1
    redis.call('XADD', KEYS[1], text(last) .. '-0', 'e', ARGV[i])
end
redis.call('HSET', KEYS[2], 'last', text(last), 'token', ARGV[5], 'whole', ARGV[6])
describe(ARGV[7], ARGV[8])
return 'ok'
`)
}

// begin has the arguments of append. The time of the mark stays: without one, nothing was ever copied to the end.
func beginScript() *redis.Script {
	return redis.NewScript(common + `
local refused = refuse()
if refused then return refused end
redis.call('UNLINK', KEYS[1])
for i = 9, #ARGV do
    redis.call('XADD', KEYS[1], text(i - 8) .. '-0', 'e', ARGV[i])
end
redis.call('HSET', KEYS[2], 'last', text(#ARGV - 8), 'token', ARGV[5], 'fork', ARGV[5], 'whole', ARGV[6])
local at = redis.call('HGET', KEYS[2], 'mark_at') or '0'
describe(ARGV[7], ARGV[8])
redis.call('HSET', KEYS[2], 'mark_at', at)
return 'ok'
`)
}

// trim removes entries below ARGV[3], a few thousand at a time, and returns how many.
func trimScript() *redis.Script {
	return redis.NewScript(common + `
local refused = refuse()
if refused then return refused end
return text(redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[3] .. '-0', 'LIMIT', 5000))
`)
}

// publish stores a document for edges.
func publishScript() *redis.Script {
	return redis.NewScript(common + `
local refused = refuse()
if refused then return refused end
if redis.call('HGET', KEYS[2], 'document') ~= ARGV[3] then
    redis.call('HSET', KEYS[2], 'document', ARGV[3])
    redis.call('HINCRBY', KEYS[2], 'document_version', 1)
end
return 'ok'
`)
}

// stateText has a function that returns the fields, and the time in milliseconds.
const stateText = `
local function state()
    local found = redis.call('HMGET', KEYS[2], 'term', 'owner', 'last', 'token', 'fork', 'whole', 'info', 'info_at', 'mark', 'mark_at')
    local time = redis.call('TIME')
    for i = 1, 10 do found[i] = found[i] or '' end
    found[11] = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
    return found
end
`

// rangeText has a function that adds the fork, and ids and entries from the number ARGV[1] on: at most ARGV[2] of them, and none once they have
// ARGV[3] bytes.
const rangeText = `
local function range(found)
    local most, bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
    found[#found + 1] = redis.call('HGET', KEYS[2], 'fork') or ''
    local count, size, chunk, from = 0, 0, 8, ARGV[1]
    while count < most and size < bytes do
        local page = redis.call('XRANGE', KEYS[1], from .. '-0', '+', 'COUNT', math.min(chunk, most - count))
        if #page == 0 then break end
        for i = 1, #page do
            if size >= bytes then break end
            found[#found + 1] = page[i][1]
            found[#found + 1] = page[i][2][2]
            count, size = count + 1, size + #page[i][2][2]
        end
        from = string.format('%.0f', tonumber(string.match(page[#page][1], '^%d+')) + 1)
        chunk = math.min(chunk * 2, 256)
    end
    return found
end
`

func stateScript() *redis.Script { return redis.NewScript(stateText + `return state()`) }

func rangeScript() *redis.Script { return redis.NewScript(rangeText + `return range({})`) }

func lookScript() *redis.Script {
	return redis.NewScript(stateText + rangeText + `return range(state())`)
}
