package baseline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
)

// ListenConfig configures RunListen.
type ListenConfig struct {
	DatabaseURL string `json:"databaseURL"`
	Channel     string `json:"channel"` // empty: serve connections without events
}

// listenLoop is a simple hand-written server. One goroutine waits for notifications that hold the row, and
// passes each to a goroutine for each client, through a channel. A client whose channel is full loses the
// event, and a client that reconnects loses the events in between.
type listenLoop struct {
	mu      sync.Mutex
	clients map[chan string]struct{}
}

// RunListen serves notifications until its input ends.
func RunListen(ctx context.Context, config string, in io.Reader, out io.Writer) error {
	var c ListenConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("read the configuration of the listen loop: %w", err)
	}
	ctx, cancel := process.UntilEOF(ctx, in)
	defer cancel()
	loop := &listenLoop{clients: make(map[chan string]struct{})}
	var running sync.WaitGroup
	defer running.Wait()
	if c.Channel != "" {
		conn, err := pgx.Connect(ctx, c.DatabaseURL)
		if err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{c.Channel}.Sanitize()); err != nil {
			return fmt.Errorf("listen to %s: %w", c.Channel, err)
		}
		running.Go(func() { loop.run(ctx, conn); cancel() })
	}
	l, err := process.Listen(out)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: loop, ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	running.Go(func() { <-ctx.Done(); _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		cancel()
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// run passes on notifications until the connection ends.
func (l *listenLoop) run(ctx context.Context, conn *pgx.Conn) {
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return
		}
		l.mu.Lock()
		for c := range l.clients {
			select {
			case c <- n.Payload:
			default:
			}
		}
		l.mu.Unlock()
	}
}

// ServeHTTP serves one client.
func (l *listenLoop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := make(chan string, 64)
	l.mu.Lock()
	l.clients[c] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.clients, c)
		l.mu.Unlock()
	}()
	flush := http.NewResponseController(w).Flush
	w.Header().Set("Content-Type", "text/event-stream")
	_, err := io.WriteString(w, ": hello\n\n")
	for err == nil {
		if err = flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case payload := <-c:
			_, err = fmt.Fprintf(w, "data: %s\n\n", payload)
		}
	}
}
