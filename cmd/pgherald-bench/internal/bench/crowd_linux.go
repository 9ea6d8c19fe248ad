package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// perProcess is how many connections one load process holds at most: as many as its open files,
// and ports of one address, allow.
const perProcess = 18000

// openTimeout bounds the opening of all connections.
const openTimeout = 2 * time.Minute

// crowd is all the clients of a subject, in one or more load processes.
type crowd struct {
	size  int
	procs []*process
}

// gathering says what crowd to gather.
type gathering struct {
	size    int
	pending int    // how many connect at once; 0: 256
	header  string // one more line of the request, with its end
	streams int    // of HTTP/2 on each connection; 0: HTTP/1.1
	keyN    string // what stands before an event's number in its frame; if empty, as in bench.watched
}

// gather starts load processes for a subject. They connect when told to.
func (l *lab) gather(s *subject, g gathering) (*crowd, error) {
	c := &crowd{size: g.size}
	if g.pending == 0 {
		g.pending = 256
	}
	keySent := ""
	if g.keyN == "" {
		g.keyN, keySent = `"n"`, `"sent"`
	}
	request := "GET " + s.path + " HTTP/1.1\r\nHost: " + s.addr + "\r\nAccept: text/event-stream\r\n" + g.header + "\r\n"
	if g.streams > 0 {
		request = http2Request(s.path, s.addr, g.streams)
	}
	most := min(perProcess, openFiles()-spareFiles)
	count := (g.size + most - 1) / most
	for i := range count {
		config, err := json.Marshal(loadConfig{
			Addr: s.addr, Source: fmt.Sprintf("127.%d.%d.1", 1+l.crowds/250, l.crowds%250), Connections: (g.size + i) / count,
			Pending: max(1, g.pending/count), Request: []byte(request), Streams: g.streams, AwaitFrame: s.awaitFrame,
			KeyN: g.keyN, KeySent: keySent,
		})
		if err != nil {
			return nil, err
		}
		l.crowds = (l.crowds + 1) % 50000
		p, err := startProcess(command{name: "the load", path: l.exe, args: []string{"child", "load", string(config)}, cpus: l.otherCPUs})
		if err != nil {
			c.stop()
			return nil, err
		}
		c.procs = append(c.procs, p)
	}
	return c, nil
}

func (c *crowd) stop() {
	for _, p := range c.procs {
		_ = p.in.Close() // all of them first, so that they end at the same time
	}
	for _, p := range c.procs {
		p.stop()
	}
}

func (c *crowd) cpu() (sum time.Duration) {
	for _, p := range c.procs {
		cpu, _ := cpuOf(p.pid()) // one that has ended is noticed when it is asked
		sum += cpu
	}
	return sum
}

// order tells all the same, and adds up what they say.
func (c *crowd) order(ctx context.Context, o loadOrder) (loadStatus, error) {
	var sum loadStatus
	for _, p := range c.procs {
		if err := p.tell(o); err != nil {
			return sum, err
		}
	}
	for _, p := range c.procs {
		var s loadStatus
		if err := p.hear(ctx, &s); err != nil {
			return sum, err
		}
		sum.add(s)
	}
	return sum, nil
}

func (s *loadStatus) add(o loadStatus) {
	s.Ready += o.Ready
	s.Failed += o.Failed
	s.Closed += o.Closed
	s.Received += o.Received
	s.Bytes += o.Bytes
	if s.OpenedAt == 0 || o.OpenedAt < s.OpenedAt {
		s.OpenedAt = o.OpenedAt
	}
	s.ReadyAt = max(s.ReadyAt, o.ReadyAt)
	s.ArrivedAt = max(s.ArrivedAt, o.ArrivedAt)
	if o.Error != "" {
		s.Error = o.Error
	}
}

// open has all of them connect, and returns when each stream has begun.
func (c *crowd) open(ctx context.Context) (loadStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s, err := c.order(ctx, loadOrder{Do: "open"})
	for err == nil && s.Ready < c.size {
		if s.Failed > 0 {
			return s, fmt.Errorf("open %d connections: %d failed, the last because: %s", c.size, s.Failed, s.Error)
		}
		pause(ctx, 20*time.Millisecond)
		s, err = c.order(ctx, loadOrder{Do: "status"})
	}
	if err != nil {
		return s, fmt.Errorf("open %d connections, %d are: %w", c.size, s.Ready, err)
	}
	return s, nil
}

// mark has them count from the event of this number on.
func (c *crowd) mark(ctx context.Context, first int64) error {
	_, err := c.order(ctx, loadOrder{Do: "mark", First: first})
	return err
}

// await returns once so many events were received in all, or when none has come for as long as
// patience: then some are lost.
func (c *crowd) await(ctx context.Context, events int64, patience time.Duration) error {
	var before int64
	changed := time.Now()
	for {
		s, err := c.order(ctx, loadOrder{Do: "status"})
		if err != nil || s.Received >= events {
			return err
		}
		if s.Received != before {
			before, changed = s.Received, time.Now()
		}
		if time.Since(changed) > patience {
			return errLost
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// errLost says that what is missing does not come any more.
var errLost = errors.New("events are missing")

// report adds up what came of the events from first to last.
func (c *crowd) report(ctx context.Context, first, last int64) (loadReport, error) {
	var sum loadReport
	for _, p := range c.procs {
		if err := p.tell(loadOrder{Do: "report", First: first, Last: last}); err != nil {
			return sum, err
		}
		var r loadReport
		if err := p.hear(ctx, &r); err != nil {
			return sum, err
		}
		sum.add(r.loadStatus)
		sum.Complete += r.Complete
		sum.Latency.merge(r.Latency)
		sum.First, sum.Last = mergeTimes(sum.First, r.First, false), mergeTimes(sum.Last, r.Last, true)
	}
	return sum, nil
}

// mergeTimes takes the earlier or the later time of each event; 0 means none.
func mergeTimes(a, b []int64, later bool) []int64 {
	if len(a) < len(b) {
		a, b = b, a
	}
	for i, t := range b {
		if t != 0 && (a[i] == 0 || later == (t > a[i])) {
			a[i] = t
		}
	}
	return a
}
