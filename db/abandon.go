package db

import (
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// closeLimit bounds the end of a connection. pgx waits up to 15 s until PostgreSQL has closed one, which one that is cut off never
// does, and the connection keeps its place in the pool for so long.
const closeLimit = 2 * time.Second

// closeSoon closes the socket of a connection that a pool closes, if that takes longer than closeLimit.
func closeSoon(conn *pgx.Conn) {
	socket := conn.PgConn().Conn()
	time.AfterFunc(closeLimit, func() { _ = socket.Close() }) // mostly, it has been closed
}

// Abandon gives back a connection whose statement got no answer in time. If pgx closes it because of that, the pool has room for
// another one at once: after an outage, the next statement must not wait until the dead connections have ended.
func Abandon(conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() {
		conn.Release()
		return
	}
	conn.Hijack() // pgx closes the socket
}
