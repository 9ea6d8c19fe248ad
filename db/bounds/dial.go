package bounds

import (
	"context"
	"net"
	"time"
)

const (
	// ConnectTimeout bounds the attempt to connect to one address. A URL with connect_timeout says otherwise.
	ConnectTimeout = 5 * time.Second

	// silence is how long data may stay unacknowledged until the kernel closes the connection.
	silence = 10 * time.Second
)

// Dial connects as pgx does, with bounds on how long a PostgreSQL that has gone keeps its client waiting: about ten
// seconds. It is a pgconn.DialFunc.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return DialWithin(0)(ctx, network, addr)
}

// DialWithin returns a Dial that takes at most the given time, if that is above 0. pgx bounds its attempts to connect itself, but
// gives its requests to cancel a statement 15 s, for which the connection keeps its place in a pool.
func DialWithin(limit time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:         limit,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control:         limitSilence,
	}
	return dialer.DialContext
}
