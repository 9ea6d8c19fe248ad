package outages

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/outages/judge"
)

// relayLease is short, so that a fault lasts longer.
const relayLease = 3 * time.Second

// startInstances starts replicas, relays and edges, and returns when all are ready.
func (s *soak) startInstances(ctx context.Context, binary, dir string) {
	s.t.Helper()
	spec := dir + "/spec.yaml"
	s.must(os.WriteFile(spec, []byte(judge.Spec), 0o644))
	for number := range replicaCount {
		s.replicas = append(s.replicas, newReplica(s.t, s.net, binary, number+1, s.pair, s.pool, dir))
	}
	for number := range relayCount {
		s.relays = append(s.relays, newRelay(s.t, s.net, binary, number+1, s.pair, dir, spec))
	}
	for number := range edgeCount {
		s.edges = append(s.edges, newEdge(s.t, s.net, binary, number+1, dir))
	}
	s.must(s.replicas[0].start())
	s.must(s.replicas[0].awaitReady(ctx))
	_, err := s.net.run(ctx, hostWriters, "", binary, "apply", "--spec="+spec, "--database-url="+s.pair.url("herald"))
	s.must(err)
	rest := slices.Concat(s.replicas[1:], s.relays, s.edges)
	for _, i := range rest {
		s.must(i.start())
	}
	for _, i := range rest {
		s.must(i.awaitReady(ctx))
	}
}

// newRelay describes a relay.
func newRelay(t *testing.T, n *network, binary string, number int, p *pair, dir, spec string) *instance {
	t.Helper()
	host := fmt.Sprint(hostRelay, number)
	return newInstance(t, n, binary, host, dir, []string{
		"relay", "--database-url=" + p.url("herald"), "--stream-url=" + redisURL, "--spec=" + spec, "--lease=" + relayLease.String(),
		"--max-bytes=128MiB", "--metrics-addr=" + addresses[host] + ":8080",
	})
}

// newEdge describes an edge. Its memory holds so little that clients which were away for seconds resume from the stream.
func newEdge(t *testing.T, n *network, binary string, number int, dir string) *instance {
	t.Helper()
	return newServer(t, n, binary, fmt.Sprint(hostEdge, number), dir, "--source="+redisURL, "--feed-bytes=1MiB")
}

// servers returns those that serve clients.
func (s *soak) servers() []*instance { return slices.Concat(s.replicas, s.edges) }

// anyOf chooses an instance.
func (s *soak) anyOf(all []*instance) *instance { return all[s.rng.IntN(len(all))] }

// anyReplica chooses a replica.
func (s *soak) anyReplica() *instance { return s.anyOf(s.replicas) }

// activeRelay waits until a relay has the lease, other than the given one, and returns it.
func (s *soak) activeRelay(ctx context.Context, other *instance) (*instance, error) {
	conn, err := s.pair.connect(ctx, "postgres")
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var found *instance
	var runner string
	await(ctx, func() bool {
		err = conn.QueryRow(ctx, `select coalesce(max(runner) filter (where runs_until > pg_catalog.now()), '') from pgherald.relays`).Scan(&runner)
		if i := slices.IndexFunc(s.relays, func(r *instance) bool { return r != other && r.runs(runner) }); i >= 0 {
			found = s.relays[i]
		}
		return found != nil || err != nil
	})
	if found == nil && err == nil {
		err = fmt.Errorf("wait until a relay is active: %w, the last was %q", context.Cause(ctx), runner)
	}
	return found, err
}

// runs reports whether a runner of pgherald.relays, which ends with a process id and a random text, is this process.
func (i *instance) runs(runner string) bool {
	fields := strings.Fields(runner)
	return len(fields) > 1 && fields[len(fields)-2] == strconv.Itoa(i.process().cmd.Process.Pid)
}
