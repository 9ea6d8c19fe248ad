package outages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

var (
	redisAddress = addresses[hostRedis] + ":6379"
	redisURL     = "redis://" + redisAddress + "/0"
)

// redisServer is a Redis on a host of its own. What it has answered survives a kill, since it is in its append-only file.
type redisServer struct {
	net *network
	dir string

	mu      sync.Mutex
	current *process
}

func newRedisServer(t *testing.T, n *network) *redisServer {
	t.Helper()
	r := &redisServer{net: n, dir: t.TempDir()}
	t.Cleanup(func() {
		r.kill()
		log, _ := os.ReadFile(r.log())
		keepLog(t, hostRedis, log)
	})
	return r
}

func (r *redisServer) log() string { return filepath.Join(r.dir, "log") }

// start starts the server with what it has kept, and returns when it has loaded that. The settings replace those of always.
func (r *redisServer) start(ctx context.Context, settings ...string) error {
	args := []string{
		"--bind", "*", "--port", "6379", "--protected-mode", "no", "--dir", r.dir, "--logfile", r.log(), "--save", "",
		"--maxmemory-policy", "noeviction", "--appendonly", "yes",
	}
	p, err := r.net.start(hostRedis, exec.Command("redis-server", append(args, settings...)...))
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.current = p
	r.mu.Unlock()
	return r.do(ctx, func(c *redis.Client) error {
		var last error
		if await(ctx, func() bool { last = c.Ping(ctx).Err(); return last == nil || !p.running() }) && last == nil {
			return nil
		}
		return fmt.Errorf("start Redis: %w", errors.Join(last, context.Cause(ctx)))
	})
}

func (r *redisServer) process() *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

func (r *redisServer) signal(sig syscall.Signal) { r.process().signal(sig) }

func (r *redisServer) kill() {
	if p := r.process(); p != nil {
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

// do gives a function a connection from the writers' host.
func (r *redisServer) do(ctx context.Context, f func(*redis.Client) error) error {
	client := redis.NewClient(&redis.Options{Addr: redisAddress, Dialer: r.net.dialer(hostWriters)})
	defer client.Close()
	return f(client)
}

// configure changes a setting.
func (r *redisServer) configure(ctx context.Context, name, value string) error {
	return r.do(ctx, func(c *redis.Client) error { return c.ConfigSet(ctx, name, value).Err() })
}

// empty removes what the server has kept. It must not run.
func (r *redisServer) empty() error {
	return errors.Join(os.RemoveAll(filepath.Join(r.dir, "appendonlydir")), os.RemoveAll(r.dump()))
}

func (r *redisServer) dump() string { return filepath.Join(r.dir, "dump.rdb") }

// save writes a dump beside the append-only file, which has more from then on.
func (r *redisServer) save(ctx context.Context) error {
	return r.do(ctx, func(c *redis.Client) error { return c.Save(ctx).Err() })
}

// startFromDump starts the server with the dump in place of the append-only file, and begins another such file.
func (r *redisServer) startFromDump(ctx context.Context) error {
	if err := os.RemoveAll(filepath.Join(r.dir, "appendonlydir")); err != nil {
		return err
	}
	if err := r.start(ctx, "--appendonly", "no"); err != nil {
		return err
	}
	if err := r.configure(ctx, "appendonly", "yes"); err != nil {
		return err
	}
	return r.do(ctx, func(c *redis.Client) error {
		var info string
		var err error
		isWritten := await(ctx, func() bool {
			info, err = c.Info(ctx, "persistence").Result()
			return err != nil || strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
		})
		if err == nil && !isWritten {
			err = context.Cause(ctx)
		}
		return err
	})
}
