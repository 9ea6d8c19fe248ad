package notify

// The channels on which this package listens. SQL elsewhere spells them as literals, and the tests
// compare it with these constants.
const (
	// Channel carries the wake-ups, from writers and from the leader. Servers read nothing but the
	// leader's mark from the payload; the rest is for people who LISTEN in psql.
	Channel = "pgherald"
	// ControlChannel carries notifications between servers: each announces a new row in a table of
	// package control.
	ControlChannel = "pgherald_control"
	// probeChannel carries the probes, which each listener sends to itself. It is separate so that
	// LISTEN pgherald in psql shows no probes.
	probeChannel = "pgherald_probe"
)

// channelCount is the number of channels on which a listener listens.
const channelCount = 3

// LeaderLock is the key of the advisory lock that the leader holds: "pgherald" in ASCII without its
// last letter, and a number. Trigger functions spell the same key as a literal.
const LeaderLock = 0x7067686572616c02

// ListenerLock is the key of the advisory lock that the session of each listener shares. A writer that can hold it alone
// knows that no server listens, and sends no NOTIFY. Trigger functions spell the same key as a literal.
const ListenerLock = 0x7067686572616c03

// The payload of a leader's notification is {"leader": "NAME"}, and {"leader": "NAME", "draining": true}
// when the leader stops before its drain has ended. NAME is the listener's name, by which a server
// recognizes its own leader. A writer's payload begins with {"table" instead.
const (
	leaderPrefix         = `{"leader": "`
	leaderDrainingSuffix = `", "draining": true}`
)

func leaderPayload(name string, draining bool) string {
	if draining {
		return leaderPrefix + name + leaderDrainingSuffix
	}
	return leaderPrefix + name + `"}`
}
