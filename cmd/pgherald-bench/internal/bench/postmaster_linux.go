package bench

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// postmaster is the Postgres on this machine, for its CPU time.
type postmaster struct{ pid int }

// findPostmaster returns nil if Postgres is not to be seen from here.
func findPostmaster(ctx context.Context, conn *pgx.Conn) *postmaster {
	var backend int
	if err := conn.QueryRow(ctx, `select pg_backend_pid()`).Scan(&backend); err != nil {
		return nil
	}
	// A number may be somebody else's here, if Postgres has another machine's or container's.
	name, err := os.ReadFile("/proc/" + strconv.Itoa(backend) + "/comm")
	if err != nil || !strings.HasPrefix(string(name), "postgres") {
		return nil
	}
	s, err := statOf(backend)
	if err != nil {
		return nil
	}
	return &postmaster{pid: s.parent}
}

// cpu is what all of Postgres has used, 0 if that is not known.
func (p *postmaster) cpu() time.Duration {
	if p == nil {
		return 0
	}
	cpu, _ := treeCPU(p.pid) // it ends with the benchmark, which says why
	return cpu
}
