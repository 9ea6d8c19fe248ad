package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/pgherald/pgherald/stream"
)

// follower is a client with the rows of up to 16 selections on one stream. It loads the lists, follows the stream from
// the first list's cursor, and loads them again when the stream says reset. It disconnects at random, also within a
// transaction, and resumes.
type follower struct {
	name       string
	nodes      []*node // for lists
	streams    []*node
	http       *http.Client
	rng        *rand.Rand
	selections []*selection
	single     bool       // without q
	extra      url.Values // batch, conflate
	restless   bool       // it reconnects often
	polls      bool       // it reads pages instead of a stream
	loaded     *sync.WaitGroup
	loading    chan struct{} // bounds the clients that load at the same time

	mu      sync.Mutex
	isLast  func(stream.Cursor) bool // set when writing has ended
	cursor  string
	pending []collectionEvent

	events, connections, reloads, cuts, doubts int
}

// collectionEvent is an envelope of a stream of collections.
type collectionEvent struct {
	ID         int64           `json:"id"`
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	Collection string          `json:"collection"`
	Op         string          `json:"op"`
	Moved      bool            `json:"moved"`
	Key        string          `json:"key"`
	XID        string          `json:"xid"`
	Oversized  bool            `json:"oversized"`
	Q          []string        `json:"q"`
	Ops        map[string]struct {
		Op    string `json:"op"`
		Moved bool   `json:"moved"`
	} `json:"ops"`
}

func (e collectionEvent) String() string {
	return fmt.Sprintf("%d %s of %s, key %s, xid %s, op %q %v %v, moved %v, data %s", e.ID, e.Type, e.Collection, e.Key, e.XID, e.Op, e.Q, e.Ops, e.Moved, e.Data)
}

var (
	errReload   = errors.New("the stream said reset")
	errComplete = errors.New("the client has everything")
)

// run follows until isLast says that the client has everything.
func (f *follower) run(ctx context.Context) error {
	err := f.load(ctx)
	f.loaded.Done()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		connect := f.connect
		if f.polls {
			connect = f.poll
		}
		err := connect(ctx)
		f.pending = nil
		switch {
		case errors.Is(err, errComplete):
			return nil
		case errors.Is(err, errReload):
			f.reloads++
			if err := f.load(ctx); err != nil {
				return err
			}
		case err != nil && !errors.Is(err, errLeft) && !errors.Is(err, errAgain):
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return fmt.Errorf("%s: %w", f.name, ctx.Err())
}

// stream returns one of the servers to follow.
func (f *follower) stream() *node { return f.streams[f.rng.IntN(len(f.streams))] }

// node returns one of the servers.
func (f *follower) node() *node { return f.nodes[f.rng.IntN(len(f.nodes))] }

// load reads all lists. The stream continues from the cursor of the first one, which the others' cursors include.
func (f *follower) load(ctx context.Context) error {
	f.loading <- struct{}{}
	defer func() { <-f.loading }()
	for i, s := range f.selections {
		if s.doubt != nil {
			f.doubts++
		}
		if err := s.load(ctx, f.http, f.node()); err != nil {
			return fmt.Errorf("%s: load %s: %w", f.name, s, err)
		}
		if i == 0 {
			f.cursor = s.base.text
		}
	}
	return nil
}

// address returns the stream's URL without a cursor.
func (f *follower) address() string {
	params := url.Values{}
	for name, values := range f.extra {
		params[name] = values
	}
	if f.single {
		params.Set("collection", f.selections[0].collection.Name)
		for name, values := range f.selections[0].params {
			params[name] = values
		}
		return f.stream().at("/api/events?" + params.Encode())
	}
	for i, s := range f.selections {
		params.Set("q."+selectionID(i), s.query())
	}
	return f.stream().at("/api/events?" + params.Encode())
}

const selectionPrefix = "s-"

func selectionID(i int) string { return selectionPrefix + strconv.Itoa(i) }

// connect reads one stream to its end, or until the client leaves.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	at := f.address()
	way := f.rng.IntN(3)
	if way > 0 {
		at += "&" + []string{"since", "lastEventId"}[way-1] + "=" + url.QueryEscape(f.cursor)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	if way == 0 {
		request.Header.Set("Last-Event-ID", f.cursor)
	}
	response, err := f.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	f.connections++
	body := bufio.NewReaderSize(response.Body, 64<<10)
	if notYet(response.StatusCode) {
		pause(ctx, askAgain)
		return errLeft
	}
	if response.StatusCode != http.StatusOK {
		text, _ := body.Peek(2000)
		return fmt.Errorf("GET %.3000s: %s %s", at, response.Status, text)
	}
	return f.read(body)
}

// read reads frames.
func (f *follower) read(body *bufio.Reader) error {
	lines := 1 << 30
	if f.restless {
		lines = 5 + f.rng.IntN(400)
	}
	var id, data string
	for ; lines > 0; lines-- {
		line, err := body.ReadString('\n')
		if err != nil { // as streams do when a server cannot read the log for long, on a machine with too much to do
			f.cuts++
			return errLeft
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && data != "":
			if err := f.frame(id, data); err != nil {
				return err
			}
			id, data = "", ""
		case name == "id":
			id = value
		case name == "data" && data == "":
			data = value
		case name == "retry" || line == "":
		default:
			return fmt.Errorf("the stream has the line %q after %q", line, data)
		}
	}
	return errLeft
}

// frame takes an event or a batch, and applies what is complete.
func (f *follower) frame(id, data string) error {
	var e collectionEvent
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return fmt.Errorf("decode %q: %w", data, err)
	}
	switch e.Type {
	case "sync":
		if strings.Contains(string(e.Data), `"reset"`) || strings.Contains(string(e.Data), `"repeats"`) {
			return fmt.Errorf("the stream began with %s", data)
		}
	case "heartbeat":
	case "batch":
		var batch struct{ Events []collectionEvent }
		if err := json.Unmarshal(e.Data, &batch); err != nil || len(batch.Events) == 0 {
			return fmt.Errorf("decode the batch %q: %w", data, err)
		}
		f.pending = append(f.pending, batch.Events...)
	default:
		f.pending = append(f.pending, e)
	}
	if id == "" {
		return nil
	}
	return f.complete(id)
}

// apply changes the rows of the selections that the event concerns.
func (f *follower) apply(e collectionEvent) error {
	if e.Op == "reset" {
		return errReload
	}
	xid, err := strconv.ParseUint(e.XID, 10, 64)
	if err != nil || e.Key == "" && e.Op != "" || e.Oversized {
		return fmt.Errorf("the envelope %v cannot be applied: %w", e, err)
	}
	names := e.Q
	if f.single {
		names = []string{selectionID(0)}
	}
	if len(names) == 0 {
		return fmt.Errorf("the envelope %v concerns no selection", e)
	}
	for _, name := range names {
		op, moved := e.Op, e.Moved
		if own, ok := e.Ops[name]; ok {
			op, moved = own.Op, own.Moved
		}
		if op == "reset" {
			return errReload
		}
		i, err := strconv.Atoi(strings.TrimPrefix(name, selectionPrefix))
		if err != nil || i < 0 || i >= len(f.selections) || f.selections[i].collection.Name != e.Collection {
			return fmt.Errorf("the envelope %v names a selection that is not there", e)
		}
		if err := f.put(f.selections[i], op, moved, xid, e); err != nil {
			return err
		}
	}
	return nil
}

// put applies an event to one selection, unless its list showed the event already.
func (f *follower) put(s *selection, op string, moved bool, xid uint64, e collectionEvent) error {
	if s.base.cursor.Seen(xid) {
		return nil
	}
	_, had := s.rows[e.Key]
	c := change{xid: xid, key: e.Key, row: string(e.Data), gone: op == "delete"}
	switch {
	case op != "insert" && op != "update" && op != "delete", !c.gone && len(e.Data) == 0:
		return fmt.Errorf("the envelope %v of %s has op %q", e, s, op)
	case moved != (op != s.collection.Types[e.Type]), moved && e.Op == "delete" && len(e.Data) > 0:
		return fmt.Errorf("the envelope %v of %s has op %q, moved: %v", e, s, op, moved)
	case len(f.extra) == 0 && s.base.pages == 1 && had != (op != "insert") && s.doubt == nil:
		s.doubt = rowError{e.Key, fmt.Sprintf("the client of %s has the row of %s: %v, and the stream says %s: %v", s, e.Key, had, op, e)}
	}
	s.log = append(s.log, c)
	c.apply(s.rows)
	return nil
}
