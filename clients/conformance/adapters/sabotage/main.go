// Command sabotage is the adapter of a plain client with a fault, which the conformance suite must find.
//
// The client keeps only those rules that the tests of faults need. Its argument names the fault; without one it has none.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/pgherald/pgherald/clients/conformance"
)

func main() {
	fault := ""
	if len(os.Args) > 1 {
		fault = os.Args[1]
	}
	var mu sync.Mutex // guards stdout
	show := func(line map[string]any) {
		text, _ := json.Marshal(line)
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(string(text))
	}
	show(map[string]any{"ready": true, "can": []string{"events", "collections", "order", "pages"}})
	stops := make(map[string]context.CancelFunc)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var line struct {
			conformance.Start
			Stop string `json:"stop"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		if line.Stop != "" {
			stops[line.Stop]()
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		stops[line.ID] = cancel
		c := &client{fault: fault, start: line.Start, cursor: line.Since, seen: make(map[int64]bool), show: func(shown map[string]any) {
			shown["id"] = line.ID
			show(shown)
		}}
		go c.run(ctx)
	}
}

// envelope holds the members of an event that the client uses.
type envelope struct {
	ID   int64
	Type string
	Data json.RawMessage
	Op   string
	Key  string
	raw  json.RawMessage
}

// receive takes an event, and whether its frame had a new cursor.
func (c *client) receive(ctx context.Context, e envelope, isLast bool) error {
	if e.ID == 0 {
		return c.sync(ctx, e)
	}
	if c.isKnown(e.ID) {
		return nil
	}
	if c.start.Open == "events" {
		c.show(map[string]any{"event": e.raw})
		return nil
	}
	c.held = append(c.held, e)
	if !isLast && c.fault != "shows half transactions" {
		return nil
	}
	held := c.held
	c.held = nil
	return c.apply(ctx, held)
}

func (c *client) isKnown(id int64) bool {
	isKnown := c.seen[id]
	switch c.fault {
	case "takes events twice":
		return false
	case "expects rising ids":
		isKnown = id <= c.highest
	}
	c.seen[id], c.highest = true, max(c.highest, id)
	return isKnown
}

func (c *client) sync(ctx context.Context, e envelope) error {
	var data struct{ Mode, Reason string }
	_ = json.Unmarshal(e.Data, &data)
	if data.Mode != "reset" || c.fault == "ignores resets" {
		return nil
	}
	if c.fault != "remembers ids after resets" {
		c.seen = make(map[int64]bool)
	}
	c.held = nil
	if c.start.Open == "events" {
		c.show(map[string]any{"reset": data.Reason})
		return nil
	}
	return c.load(ctx)
}

func (c *client) apply(ctx context.Context, events []envelope) error {
	if c.hasWindow() && c.fault != "does not fill its window" {
		return c.load(ctx)
	}
	for _, e := range events {
		switch {
		case e.Op == "reset" && c.fault != "ignores resets":
			return c.load(ctx)
		case e.Op == "delete" && c.fault != "ignores rows that leave":
			delete(c.rows, e.Key)
		case e.Data != nil && e.Key != "":
			c.rows[e.Key] = e.Data
		}
	}
	c.keys = slices.DeleteFunc(c.keys, func(key string) bool { return c.rows[key] == nil })
	c.showRows()
	return nil
}
