package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// edge is the name of a subject: a server without a database, with its relay and their store.
const edge = "edge"

// edges is a store and a relay. It can start edges.
type edges struct {
	fx      *fixture
	redis   *process.Process
	url     string // of the store
	relay   *process.Process
	metrics string // address of the relay's
}

// startStore starts a Redis or Valkey that is in PATH, in memory alone.
func (fx *fixture) startStore() (e *edges, err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if path, err = exec.LookPath("valkey-server"); err != nil {
			return nil, errors.New("find redis-server or valkey-server in PATH: edges need one")
		}
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	e = &edges{fx: fx, url: "redis://" + addr + "/0"}
	e.redis, err = process.Start(process.Command{Name: "redis-server", Path: path, CPUs: fx.otherCPUs, Args: []string{
		"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", fx.dir,
	}})
	return e, err
}

// apply makes pgherald's tables and installs the triggers of the benchmark's.
func (fx *fixture) apply() (spec string, err error) {
	spec = fx.spec()
	if err := os.WriteFile(spec, []byte(watchedSpec), 0o600); err != nil {
		return "", fmt.Errorf("write the spec: %w", err)
	}
	for _, args := range [][]string{{"migrate", "up", "--engine-only"}, {"apply", "--spec=" + spec}} {
		out, err := exec.CommandContext(fx.ctx, fx.server, append(args, "--database-url="+fx.url)...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("pgherald %s: %w\n%s", args[0], err, out)
		}
	}
	return spec, nil
}

// startRelay starts a relay. It does not wait until it copies.
func (e *edges) startRelay(spec string) (err error) {
	if e.metrics, err = freeAddr(); err != nil {
		return err
	}
	e.relay, err = process.Start(process.Command{Name: "pgherald relay", Path: e.fx.server, CPUs: e.fx.otherCPUs, Args: []string{
		"--log-level=warn", "relay", "--database-url=" + e.fx.url, "--stream-url=" + e.url, "--spec=" + spec, "--metrics-addr=" + e.metrics,
	}})
	return err
}

// copied returns how many events the relay has copied.
func (e *edges) copied(ctx context.Context) (n float64, err error) {
	s := &subject{name: "pgherald relay", addr: e.metrics, process: e.relay}
	err = s.get(ctx, "/metrics", func(body io.Reader) error {
		for lines := bufio.NewScanner(body); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "pgherald_relay_events_total "); ok {
				n, err = strconv.ParseFloat(text, 64)
				return err
			}
		}
		return errors.New("the metrics have no pgherald_relay_events_total")
	})
	return n, err
}

// awaitCopied waits until the relay has copied so many events.
func (e *edges) awaitCopied(want int) error {
	s := &subject{process: e.relay}
	return s.retry(e.fx.ctx, 10*time.Minute, func(ctx context.Context) error {
		n, err := e.copied(ctx)
		if err == nil && n < float64(want) {
			err = fmt.Errorf("it has copied %.0f of %d events", n, want)
		}
		return err
	})
}

// startEdge starts an edge and waits until it is ready.
func (e *edges) startEdge() (*subject, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := process.Start(process.Command{Name: "pgherald serve --source", Path: e.fx.server, CPUs: e.fx.serverCPUs, Args: []string{
		"--log-level=warn", "serve", "--source=" + e.url, "--addr=" + addr, "--max-connections=" + strconv.Itoa(process.MaxOpenFiles()),
	}})
	if err != nil {
		return nil, err
	}
	s := &subject{name: edge, addr: addr, path: "/api/events", awaitFrame: true, process: p, stop: p.Stop}
	s.position, s.resume = s.positionOfID, s.resumeAfterID
	s.publish = e.fx.inserter(watchedInsert, watchedOverhead)
	if err := s.retry(e.fx.ctx, time.Minute, s.checkReady); err != nil {
		p.Stop()
		return nil, err
	}
	return s, nil
}

// fillTransactions appends events to the log in transactions of so many rows.
func (fx *fixture) fillTransactions(events, rows, bytes int) error {
	if _, err := fx.conn.Exec(fx.ctx, `set synchronous_commit = off`); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	for left := events; left > 0; left -= fillChunk {
		sql := fmt.Sprintf(`do $$
begin
    for t in 1..%d loop
        insert into pgherald.events (type, key, data)
        select 'item', i::text, json_build_object('n', i, 'pad', repeat(md5(i::text), %d))
        from generate_series(1, %d) as i;
        commit;
    end loop;
end
$$`, min(left, fillChunk)/rows, max(0, bytes-watchedOverhead)/32+1, rows)
		if _, err := fx.conn.Exec(fx.ctx, sql); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	return nil
}

func (e *edges) stop() {
	e.relay.Stop()
	e.redis.Stop()
}

// startEdgeAlone starts a server with the database, as edges need one, a store, a relay and an edge, which end together.
func (fx *fixture) startEdgeAlone() (*subject, error) {
	plain, err := fx.startServer()
	if err != nil {
		return nil, err
	}
	e, err := fx.startStore()
	if err != nil {
		plain.stop()
		return nil, err
	}
	var s *subject
	if err = e.startRelay(fx.spec()); err == nil {
		s, err = e.startEdge()
	}
	if err != nil {
		e.stop()
		plain.stop()
		return nil, err
	}
	stop := s.stop
	s.stop = func() { stop(); e.stop(); plain.stop() }
	writes.Pause(fx.ctx, 500*time.Millisecond) // the relay has read the log to its end
	return s, nil
}
