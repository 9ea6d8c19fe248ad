package bench

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/load"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/process"
	"github.com/pgherald/pgherald/cmd/pgherald-bench/internal/writes"
)

// Names of peers in flags and reports.
const (
	centrifugo  = "centrifugo"
	mercure     = "mercure"
	pgEventserv = "pg_eventserv"
)

// peerKey signs the tokens of the peers, which serve on loopback for the time of a measurement.
var peerKey = []byte("a key of thirty-two bytes or more")

// versionOf describes the program of a peer by what Go has recorded in it.
func versionOf(name, program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Sprintf("%s: its version is unknown.", name)
	}
	return fmt.Sprintf("%s is %s %s, built with %s.", name, info.Main.Path, info.Main.Version, info.GoVersion)
}

// peerConfig writes the configuration of a peer into a directory of its own.
func (fx *fixture) peerConfig(name, text string) (path string, err error) {
	dir, err := os.MkdirTemp(fx.dir, "peer-")
	if err != nil {
		return "", fmt.Errorf("create a directory for a peer: %w", err)
	}
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "{DIR}", dir)), 0o600); err != nil {
		return "", fmt.Errorf("write the configuration of a peer: %w", err)
	}
	return path, nil
}

// startPeer starts the program of a peer and waits until it answers a request of a path.
func (fx *fixture) startPeer(s *subject, ready, program string, args ...string) (*subject, error) {
	var err error
	s.process, err = process.Start(process.Command{Name: s.name, Path: program, Args: args, CPUs: fx.serverCPUs})
	if err != nil {
		return nil, err
	}
	s.stop = s.process.Stop
	err = s.retry(fx.ctx, startTimeout, func(ctx context.Context) error {
		return s.get(ctx, ready, func(io.Reader) error { return nil })
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// createPeerTable creates the table of a writer that publishes by itself.
func (fx *fixture) createPeerTable(name string) error {
	table := pgx.Identifier{"bench", name}.Sanitize()
	if _, err := fx.conn.Exec(fx.ctx, "create table if not exists "+table+" (like bench.watched including all)"); err != nil {
		return fmt.Errorf("create the table of %s: %w", name, err)
	}
	return nil
}

// centrifugoInsert writes the row and publishes it in the same transaction, as Centrifugo documents it. The history is as
// long as a client that was away needs it.
const centrifugoInsert = `
with written as (
	insert into bench.centrifugo (n, sent, pad)
	values ($1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2)
	returning n, sent, pad
)
select published.out_channel_offset
from written
cross join lateral public.cf_stream_publish(
	'bench', to_jsonb(written), p_history_ttl => interval '1 hour', p_history_size => 100000) as published`

// startCentrifugo starts Centrifugo with its PostgreSQL broker, which listens. With the eight shards of the default a NOTIFY wakes
// the worker of one of them, and the others find the events of the only channel at their next poll. Clients read unidirectional
// SSE.
func (fx *fixture) startCentrifugo(program string) (*subject, error) {
	if err := fx.createPeerTable(centrifugo); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	type object = map[string]any
	config, err := json.Marshal(object{
		"http_server": object{"address": "127.0.0.1", "port": port},
		"log":         object{"level": "error"},
		"health":      object{"enabled": true},
		"client":      object{"token": object{"hmac_secret_key": string(peerKey)}},
		"uni_sse":     object{"enabled": true},
		"broker":      object{"enabled": true, "type": "postgres", "postgres": object{"dsn": fx.url, "use_notify": true, "num_shards": 1}},
		"channel":     object{"without_namespace": object{"history_size": 100000, "history_ttl": "1h", "force_recovery": true}},
	})
	if err != nil {
		return nil, err
	}
	path, err := fx.peerConfig("config.json", string(config))
	if err != nil {
		return nil, err
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "bench", "channels": []string{"bench"}}).SignedString(peerKey)
	if err != nil {
		return nil, fmt.Errorf("sign a token: %w", err)
	}
	s := &subject{name: centrifugo, addr: addr, path: centrifugoPath(token, "{}"), awaitFrame: true, publish: fx.inserter(centrifugoInsert, centrifugoOverhead)}
	s.position = positionOfCentrifugo
	s.resume = func(position string) (path, lastEventID string) { return centrifugoPath(token, position), "" }
	return fx.startPeer(s, "/health", program, "--config="+path)
}

// centrifugoPath returns the path of a stream, with what its client knows of the channel.
func centrifugoPath(token, known string) string {
	return "/connection/uni_sse?cf_connect=" + url.QueryEscape(`{"token":"`+token+`","subs":{"bench":`+known+`}}`)
}

var (
	epochInText  = regexp.MustCompile(`"epoch":"([^"]*)"`)
	offsetInText = regexp.MustCompile(`"offset":(\d+)`)
)

// positionOfCentrifugo returns the position after a line of a stream. Only the first line has the epoch.
func positionOfCentrifugo(line, before string) string {
	epoch, offset := epochInText.FindString(before), `"offset":0`
	if found := epochInText.FindString(line); found != "" {
		epoch = found
	}
	if found := offsetInText.FindString(before); found != "" {
		offset = found
	}
	if found := offsetInText.FindAllString(line, -1); len(found) > 0 {
		offset = found[len(found)-1]
	}
	return `{"recover":true,` + epoch + `,` + offset + `}`
}

// mercureConfig has Mercure's default transport, which keeps the history.
const mercureConfig = `{
	admin off
	auto_https off
	persist_config off
	storage file_system {DIR}
	log {
		level ERROR
	}
}
http://%s {
	mercure {
		publisher_jwt "%s"
		anonymous
		transport bolt {
			path {DIR}/mercure.db
		}
	}
	respond /healthz 200
}
`

// startMercure starts Mercure.
func (fx *fixture) startMercure(program string) (*subject, error) {
	if err := fx.createPeerTable(mercure); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	path, err := fx.peerConfig("Caddyfile", fmt.Sprintf(mercureConfig, addr, peerKey))
	if err != nil {
		return nil, err
	}
	claims := jwt.MapClaims{"mercure": map[string]any{"publish": []string{"*"}}}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(peerKey)
	if err != nil {
		return nil, fmt.Errorf("sign a token: %w", err)
	}
	s := &subject{name: mercure, addr: addr, path: mercurePath + "?topic=bench"}
	s.position, s.resume = s.positionOfID, s.resumeAfterID
	s.publish = func(ctx context.Context, o writes.Offer) (writes.Published, error) {
		return writes.Publish(ctx, o, fx.mercurePoster(s, token, o.Bytes))
	}
	return fx.startPeer(s, "/healthz", program, "run", "--config="+path, "--adapter=caddyfile")
}

const (
	mercurePath   = "/.well-known/mercure"
	mercureInsert = `insert into bench.mercure (n, sent, pad)
values ($1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, $2)
returning row_to_json(mercure.*)::text`
)

// mercurePoster returns a function that opens emitters, which write a row, and post it after the COMMIT.
func (fx *fixture) mercurePoster(s *subject, token string, bytes int) func(context.Context) (writes.Emit, func(), error) {
	return func(ctx context.Context) (writes.Emit, func(), error) {
		conn, err := fx.connectWriter(ctx)
		if err != nil {
			return nil, nil, err
		}
		transport := &http.Transport{}
		client := &http.Client{Transport: transport}
		emit := func(ctx context.Context, n int64) error {
			var row string
			if err := conn.QueryRow(ctx, mercureInsert, n, padding(n, bytes-mercureOverhead)).Scan(&row); err != nil {
				return err
			}
			return postForm(ctx, client, "http://"+s.addr+mercurePath, token, url.Values{"topic": {"bench"}, "data": {row}})
		}
		return emit, func() { transport.CloseIdleConnections(); _ = conn.Close(context.WithoutCancel(ctx)) }, nil
	}
}

// postForm posts a form with a token.
func postForm(ctx context.Context, client *http.Client, to, token string, form url.Values) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("post an event: the server answered %s", response.Status)
	}
	return nil
}

// startPgEventserv starts pg_eventserv with a client that stays: it listens to a channel for its first client, and only
// once if that one comes alone.
func (fx *fixture) startPgEventserv(program string) (*subject, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	path, err := fx.peerConfig("pg_eventserv.toml", fmt.Sprintf("DbConnection = %q\nHttpHost = \"127.0.0.1\"\nHttpPort = %s\n", fx.url, port))
	if err != nil {
		return nil, err
	}
	s := &subject{name: pgEventserv, addr: addr, path: "/listen/" + naiveChannel, webSocket: true, publish: fx.inserter(naiveInsert, naiveOverhead)}
	if _, err := fx.startPeer(s, "/", program, "--config="+path); err != nil {
		return nil, err
	}
	first, err := fx.startClients(s, load.Options{Clients: 1})
	if err != nil {
		s.stop()
		return nil, err
	}
	s.stop = func() { first.Stop(); s.process.Stop() }
	if _, err := first.Open(fx.ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}
