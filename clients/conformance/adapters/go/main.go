// Command go is the adapter of clients/go for the conformance suite.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pgherald/pgherald/clients/conformance"
	pgherald "github.com/pgherald/pgherald/clients/go"
)

// adapter runs the scenarios that it reads, each in a goroutine.
type adapter struct {
	mu      sync.Mutex // guards stdout
	running sync.WaitGroup
	stops   map[string]context.CancelFunc
}

func main() {
	a := &adapter{stops: make(map[string]context.CancelFunc)}
	a.print(map[string]any{"ready": true, "can": []string{"events", "collections", "tokens", "order", "pages"}})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var line struct {
			conformance.Start
			Stop string `json:"stop"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		if line.Stop != "" {
			a.stops[line.Stop]()
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		a.stops[line.ID] = cancel
		a.running.Go(func() { a.run(ctx, line.Start) })
	}
	for _, stop := range a.stops {
		stop()
	}
	a.running.Wait()
}

func (a *adapter) print(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Println(string(text))
}

func (a *adapter) run(ctx context.Context, start conformance.Start) {
	options := pgherald.Options{
		Transport:      pgherald.Transport(start.Transport),
		ConnectTimeout: time.Duration(start.ConnectTimeout) * time.Millisecond,
	}
	if start.Tokens {
		var mu sync.Mutex
		count := 0
		options.Token = func(context.Context, pgherald.TokenReason) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			count++
			return fmt.Sprintf("token-%d", count), nil
		}
	}
	client, err := pgherald.New(start.URL, options)
	if err == nil {
		defer client.Close()
		follow := a.events
		if start.Open == "collection" {
			follow = a.collection
		}
		err = follow(ctx, client, start)
	}
	if !errors.Is(err, context.Canceled) {
		a.print(map[string]any{"id": start.ID, "error": err.Error()})
	}
}

func (a *adapter) events(ctx context.Context, client *pgherald.Client, start conformance.Start) error {
	isStale := false
	for event, err := range client.Events(ctx, pgherald.Filter{Since: start.Since}) {
		switch {
		case err != nil:
			return err
		case event.Sync != nil:
			if event.Sync.Mode == pgherald.ModeReset {
				a.print(map[string]any{"id": start.ID, "reset": event.Sync.Reason})
			}
			if now := event.Sync.Mode == pgherald.ModeStale; now != isStale {
				isStale = now
				a.print(map[string]any{"id": start.ID, "stale": isStale})
			}
		case event.ID == 0: // of a later version
		case event.Oversized:
			a.print(map[string]any{"id": start.ID, "oversized": event.Raw})
		default:
			a.print(map[string]any{"id": start.ID, "event": event.Raw})
		}
	}
	return errors.New("the stream ended without an error")
}

func (a *adapter) collection(ctx context.Context, client *pgherald.Client, start conformance.Start) error {
	query := pgherald.Query{Where: make(pgherald.Where), Order: start.Order, Limit: start.Limit}
	for field, value := range start.Where {
		query.Where[field] = []string{pgherald.Eq(value)}
	}
	// What a program has that applies the changes, and not the rows of the collection itself.
	rows := make(map[string]json.RawMessage)
	collection := client.Collection(start.Collection, query)
	for change, err := range collection.Changes(ctx) {
		if err != nil {
			return err
		}
		for key, row := range change.Put {
			rows[key] = row
		}
		for _, key := range change.Deleted {
			delete(rows, key)
		}
		var keys []string
		for key := range collection.All() {
			keys = append(keys, key)
		}
		a.print(map[string]any{"id": start.ID, "rows": rows, "keys": keys})
	}
	return errors.New("the changes ended without an error")
}
