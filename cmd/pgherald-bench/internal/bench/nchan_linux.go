package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// nchanConfig configures nginx with one worker and nchan, close to the examples of nchan's documentation.
// Clients receive the events that are published while they are connected.
const nchanConfig = `load_module %[1]s;
daemon off;
master_process on;
worker_processes 1;
user root;
pid %[2]s/nginx.pid;
error_log %[2]s/error.log warn;
worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
    access_log off;
    client_body_temp_path %[2]s/body;
    proxy_temp_path %[2]s/proxy;
    fastcgi_temp_path %[2]s/fastcgi;
    uwsgi_temp_path %[2]s/uwsgi;
    scgi_temp_path %[2]s/scgi;
    nchan_shared_memory_size 128m;
    keepalive_requests 100000000;
    server {
        listen %[3]s backlog=4096;
        location = /pub { nchan_publisher; nchan_channel_id bench; nchan_message_buffer_length 100; }
        location = /sub { nchan_subscriber eventsource; nchan_channel_id bench; nchan_subscriber_first_message newest; }
    }
}
`

// nchanModules are the paths of the module in distributions.
var nchanModules = []string{"/usr/lib/nginx/modules/ngx_nchan_module.so", "/usr/lib64/nginx/modules/ngx_nchan_module.so", "/etc/nginx/modules/ngx_nchan_module.so"}

// startNchan starts nginx with nchan. Events are published to it over HTTP.
func (fx *fixture) startNchan() (*subject, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		return nil, fmt.Errorf("find nginx for --nchan (Debian: apt-get install nginx libnginx-mod-nchan): %w", err)
	}
	module := ""
	for _, path := range nchanModules {
		if _, err := os.Stat(path); err == nil {
			module = path
		}
	}
	if module == "" {
		return nil, fmt.Errorf("find nginx's module nchan in %s (Debian: apt-get install libnginx-mod-nchan)", strings.Join(nchanModules, ", "))
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(fx.dir, "nchan-")
	if err != nil {
		return nil, fmt.Errorf("create a directory for nginx: %w", err)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nchanConfig, module, dir, addr), 0o600); err != nil {
		return nil, fmt.Errorf("write nginx's configuration: %w", err)
	}
	p, err := process.Start(process.Command{Name: "nginx", Path: nginx, Args: []string{"-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log")}, CPUs: fx.serverCPUs})
	if err != nil {
		return nil, err
	}
	s := &subject{name: nchan, addr: addr, path: "/sub", process: p, workers: true, stop: p.Stop}
	s.publish = func(ctx context.Context, o writes.Offer) (writes.Published, error) {
		return writes.Publish(ctx, o, s.poster(o.Bytes))
	}
	if err := s.waitPublishable(fx.ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return s, nil
}

// poster returns a function that opens emitters, each with an HTTP connection of its own.
func (s *subject) poster(bytes int) func(context.Context) (writes.Emit, func(), error) {
	pad := strings.Repeat("x", max(0, bytes-74)) // without the id line, which nchan adds
	return func(context.Context) (writes.Emit, func(), error) {
		transport := &http.Transport{}
		client := &http.Client{Transport: transport}
		return func(ctx context.Context, n int64) error {
			body := fmt.Sprintf(`{"n":%d,"sent":%d,"pad":"%s"}`, n, time.Now().UnixMicro(), pad)
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/pub", strings.NewReader(body))
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			_, err = io.Copy(io.Discard, response.Body)
			return err
		}, transport.CloseIdleConnections, nil
	}
}

// waitPublishable publishes an event until that succeeds.
func (s *subject) waitPublishable(ctx context.Context) error {
	emit, closeEmitter, err := s.poster(100)(ctx)
	if err != nil {
		return err
	}
	defer closeEmitter()
	return s.retry(ctx, 10*time.Second, func(ctx context.Context) error { return emit(ctx, 0) })
}
