package edgestore

// maxValueBytes bounds a ticket, a request and an answer: a program that can write them could else take the memory of every edge.
const maxValueBytes = 1 << 20

// nowScript begins scripts that need the store's time: time as Redis returns it, now in milliseconds.
const nowScript = `
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

// getScript returns a value of at most ARGV[1] bytes. A longer one counts as none.
const getScript = `
local value = redis.call('get', KEYS[1])
return value and #value <= tonumber(ARGV[1]) and value`

// takeScript is getScript, and removes the value.
const takeScript = `
local value = redis.call('getdel', KEYS[1])
return value and #value <= tonumber(ARGV[1]) and value`
