package forward

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// process is a process that forwards.
type process struct{ cmd *exec.Cmd }

func spawn(t *testing.T, databaseURL, to string) *process {
	t.Helper()
	given, err := json.Marshal(struct{ URL, To string }{databaseURL, to})
	if err != nil {
		t.Fatal(err)
	}
	p := &process{exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(given))
	p.cmd.Stderr = t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // an error on the second call
}

// TestKill checks with random writers, a receiver with random faults, and two processes of one name that are killed, that the receiver has in
// the end what the database has, and has had it in order.
func TestKill(t *testing.T) {
	t.Parallel()
	databaseURL, conn := orders(t)
	r := newReceiver(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r.faults = rand.New(rand.NewPCG(seed, 0))
	processes := []*process{spawn(t, databaseURL, r.url), spawn(t, databaseURL, r.url)}
	var writing sync.WaitGroup
	for w := range 3 {
		writer, rng := pgtest.Connect(t, databaseURL), rand.New(rand.NewPCG(seed, uint64(w)+1))
		writing.Go(func() {
			for range 40 {
				write(t, writer, rng)
			}
		})
	}
	for n, p := range processes { // both, one after the other, while they work
		r.await("events", func() bool { return len(r.all) > 10*(n+1) })
		answers := r.refuse(func(delivery) int { return http.StatusServiceUnavailable })
		publish(t, conn, "", "") // something is on its way, whatever else is
		r.await("refusals", func() bool { return r.answers > answers+2 })
		p.kill()
		r.refuse(nil)
		processes[n] = spawn(t, databaseURL, r.url)
	}
	writing.Wait()
	r.mu.Lock()
	r.faults = nil
	r.mu.Unlock()
	var all []int64
	if err := conn.QueryRow(t.Context(), `select array_agg(e.id) from pgherald.events as e`).Scan(&all); err != nil {
		t.Fatal(err)
	}
	r.await("every event", func() bool { return !slices.ContainsFunc(all, func(id int64) bool { return !r.seen[id] }) })
	want := rowsOf(t, conn)
	want[""] = `""` // published
	r.awaitRows(want)
}

// write commits or rolls back a random transaction.
func write(t *testing.T, conn *pgx.Conn, rng *rand.Rand) {
	tx, err := conn.Begin(t.Context())
	key := rng.IntN(4) // ascending keys: no deadlock ends a transaction
	for range 1 + rng.IntN(3) {
		if err != nil {
			break
		}
		sql := []string{
			`insert into public.orders values (%d, 'open', %d) on conflict (id) do update set total = excluded.total`,
			`update public.orders set status = 'paid', total = %[2]d where id = %[1]d`,
			`delete from public.orders where id = %[1]d and total <> %[2]d`,
		}[rng.IntN(3)]
		_, err = tx.Exec(t.Context(), fmt.Sprintf(sql, key, rng.IntN(1000)))
		key += 1 + rng.IntN(4)
	}
	switch {
	case err != nil:
	case rng.IntN(8) == 0:
		err = tx.Rollback(t.Context())
	default:
		err = tx.Commit(t.Context())
	}
	if err != nil {
		t.Errorf("write: %v", err)
	}
}
