package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
)

// Child is what pgherald runs itself as, for load and for baselines.
type Child struct {
	Role   string `arg:"" enum:"load,write,writers,listen"`
	Config string `arg:"" help:"JSON."`
}

// Run serves the parent on standard input and output, until the input ends.
func (c Child) Run(app *App) error {
	switch c.Role {
	case "load":
		return runLoad(c.Config, os.Stdin, app.Stdout)
	case "write":
		return runPlainWrite(app.Ctx, os.Stdin, app.Stdout)
	case "writers":
		return runWriters(app.Ctx, c.Config, os.Stdin, app.Stdout)
	default:
		return runListenLoop(app.Ctx, c.Config, os.Stdin, app.Stdout)
	}
}

// listening is the first line of a server.
type listening struct {
	Addr string `json:"addr"`
}

// listen takes a port of loopback and tells the parent.
func listen(out io.Writer) (net.Listener, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return l, json.NewEncoder(out).Encode(listening{Addr: l.Addr().String()})
}

// untilEnd returns a context that ends when the parent has nothing more to say.
func untilEnd(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	return ctx, cancel
}
