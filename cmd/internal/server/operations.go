package server

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pgherald/pgherald/db/control"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/status"
)

const (
	// operationsFor is how long what the database says is shown: consoles ask every few seconds, and there may be many.
	operationsFor = time.Second

	// examineInterval is the shortest time between two examinations, which open connections and send a notification.
	examineInterval = 30 * time.Second

	// examineTimeout bounds one, and refreshTimeout all that a request reads.
	examineTimeout = 6 * time.Second
	refreshTimeout = 9 * time.Second
)

// Examine looks for what keeps events from clients, as pgherald doctor does. It takes the triggers as the server's last check
// found them.
type Examine func(ctx context.Context, d Database, last status.Triggers) ([]status.Finding, error)

// operations describes the servers of the database.
type operations struct {
	pipeline *pipeline
	replicas *control.Replicas
	examine  Examine // nil leaves it out

	reading chan struct{} // holds one element while a request reads the database
	mu      sync.Mutex
	last    status.Operations // of the last read: replicas, log and doctor
}

func newOperations(p *pipeline, replicas *control.Replicas, examine Examine) *operations {
	return &operations{pipeline: p, replicas: replicas, examine: examine, reading: make(chan struct{}, 1)}
}

// Read returns what is known now. One request at a time reads the database; the others wait for it, at most until ctx ends.
func (o *operations) Read(ctx context.Context) status.Operations {
	found, isOld := o.known()
	if isOld {
		select {
		case o.reading <- struct{}{}:
			o.refresh(ctx)
			<-o.reading
		case <-ctx.Done():
		}
		found, _ = o.known()
	}
	o.complete(&found)
	return found
}

// known returns a copy of the last read, and whether it is too old.
func (o *operations) known() (last status.Operations, isOld bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last = o.last
	last.Replicas = append([]status.Replica{}, last.Replicas...)
	return last, time.Since(last.At) > operationsFor
}

// refresh reads the database, unless another request just has.
func (o *operations) refresh(ctx context.Context) {
	found, isOld := o.known()
	if !isOld {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout) // the result is for others, too
	defer cancel()
	var reading sync.WaitGroup // at the same time: while the database is away, each waits for its own limit
	reading.Go(func() {
		var err error
		found.Error = ""
		if found.Replicas, err = o.replicas.List(ctx); err != nil {
			found.Error = err.Error()
		}
	})
	reading.Go(func() {
		var err error
		if found.Log, err = o.pipeline.log.Figures(ctx); err != nil {
			found.Log.Error = err.Error()
		}
	})
	if o.examine != nil && (found.Doctor == nil || time.Since(found.Doctor.Checked) > examineInterval) {
		reading.Go(func() { found.Doctor = o.examined(ctx) })
	}
	reading.Wait()
	found.At = time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = found
}

func (o *operations) examined(ctx context.Context) *status.Examination {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	findings, err := o.examine(ctx, o.pipeline.config.Database, o.pipeline.watcher.Status())
	e := &status.Examination{Checked: time.Now().UTC(), Findings: findings}
	if err != nil {
		e.Error = err.Error()
	}
	if e.Findings == nil {
		e.Findings = []status.Finding{}
	}
	return e
}

// complete adds what this server knows without the database, and what follows from all.
func (o *operations) complete(found *status.Operations) {
	p := o.pipeline
	found.At, found.Self = time.Now().UTC(), o.replicas.Self()
	o.completeSelf(found)
	found.Leader, found.Resets = status.LeadingReplica{State: status.Idle}, map[string]uint64{}
	for _, reason := range stream.ResetReasons() {
		found.Resets[string(reason)] = 0
	}
	for _, r := range found.Replicas {
		if r.Report == nil {
			continue
		}
		for reason := range found.Resets { // another program may have written other ones
			found.Resets[reason] += r.Resets[reason]
		}
		if r.State == status.ReplicaRunning && r.Leader == status.Leading && found.Leader.Replica == "" {
			found.Leader = status.LeadingReplica{State: status.Leading, Replica: r.ID}
		}
	}
	found.Log.RetainAge, found.Log.RetainBytes = int64(p.config.EventLog.RetainAge.Seconds()), p.config.EventLog.RetainBytes
	triggers := p.watcher.Status()
	found.Triggers, found.Consumers = &triggers, p.consumers.Status()
}

// completeSelf puts the present state of this server in the place of its last heartbeat.
func (o *operations) completeSelf(found *status.Operations) {
	report := o.pipeline.report()
	for i := range found.Replicas {
		if r := &found.Replicas[i]; r.ID == found.Self {
			r.Report = &report
			return
		}
	}
	self := status.Replica{ID: found.Self, State: status.ReplicaRunning, LastSeen: found.At, Report: &report}
	found.Replicas = append([]status.Replica{self}, found.Replicas...)
}

// report returns what this server says about itself.
func (p *pipeline) report() status.Report {
	return completeReport(p.api.Report(), p.began, p.lag.Load())
}

// heartbeatReport returns the report as JSON.
func (p *pipeline) heartbeatReport() []byte { return marshalReport(p.report()) }

func marshalReport(r status.Report) []byte {
	text, err := json.Marshal(r)
	if err != nil { // a time beyond the year 9999
		return nil
	}
	return text
}

// RelayReport returns what a relay says about itself, as JSON: what its edges report, in sum. Reports that other programs have written do not
// count.
func RelayReport(edges [][]byte, isReady bool, began time.Time) []byte {
	sum := status.Report{Role: status.RoleRelay, Edges: len(edges), Ready: isReady, Resets: make(map[string]uint64)}
	for _, text := range edges {
		var r status.Report
		if json.Unmarshal(text, &r) != nil {
			continue
		}
		sum.Streams += max(0, r.Streams)
		sum.Events += r.Events
		sum.LagMS = max(sum.LagMS, r.LagMS)
		for _, reason := range stream.ResetReasons() {
			if n := r.Resets[string(reason)]; n > 0 {
				sum.Resets[string(reason)] += n
			}
		}
	}
	sum = completeReport(sum, began, sum.LagMS)
	sum.Name = fmt.Sprintf("relay on %s, %d edges", sum.Name, sum.Edges) // where operators look, each has the name of its host
	return marshalReport(sum)
}

// completeReport adds what the API does not know about its server.
func completeReport(r status.Report, began time.Time, lagMS int64) status.Report {
	r.Name, r.Version, r.StartedAt, r.LagMS = hostName(), Version(), began.UTC(), lagMS
	return r
}

// maxHostName bounds the name of the host in a report, in bytes.
const maxHostName = 100

// hostName returns the name of the host in ASCII, which a database of any encoding stores.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), maxHostName)]
}
