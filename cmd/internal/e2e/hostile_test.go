package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgherald/pgherald/db/pgtest"
)

// docs/threat-model.md has the result of -args -hostile.clients=1000 -hostile.time=15s.
var (
	hostileClients = flag.Int("hostile.clients", 30, "clients of each kind of TestHostileClients")
	hostileTime    = flag.Duration("hostile.time", 500*time.Millisecond, "time for which each kind of TestHostileClients attacks")
	hostileOnly    = flag.String("hostile.only", "", "regular expression of the kinds; empty means all")
)

// hostileMemory is the budget of a server in MiB, and maxRSS bounds its memory: the budget and what the process itself needs.
const (
	hostileMemory = 512
	maxRSS        = (hostileMemory + 64) << 20
)

// longAttack is the time from which on a kind attacks for long enough, on a machine of its own, to judge the server by its memory.
const longAttack = 5 * time.Second

// hostileKind is a kind of hostile client.
type hostileKind struct {
	name   string
	secure bool // against the server with TLS
	run    func(h *hostile, conn *net.TCPConn) error
}

// hostile is one hostile client. It comes from an address that healthy clients do not have.
type hostile struct {
	*rand.Rand
	ctx  context.Context // ends with the attack, and closes its connections
	addr string
}

// attack connects again and again until ctx ends.
func (h *hostile) attack(kind hostileKind) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, 1)}}
	for h.ctx.Err() == nil {
		conn, err := dialer.DialContext(h.ctx, "tcp", h.addr)
		if err == nil {
			stop := context.AfterFunc(h.ctx, func() { _ = conn.Close() })
			tcp := conn.(*net.TCPConn)
			_ = tcp.SetLinger(0) // no port stays in TIME_WAIT
			_ = kind.run(h, tcp) // the server ends most attacks
			_ = conn.Close()
			stop()
		}
		pause(h.ctx, time.Duration(1+h.IntN(10))*time.Millisecond)
	}
}

// untilClosed reads and discards until the server closes the connection or the attack ends.
func untilClosed(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

// hold waits until the attack ends, without reading.
func (h *hostile) hold() error {
	<-h.ctx.Done()
	return nil
}

// besieged is a pair of servers on one database, with and without TLS, and the clients that behave.
type besieged struct {
	*testing.T
	ctx      context.Context
	plain    *besiegedServer
	secure   *besiegedServer
	conn     *pgx.Conn
	clients  []*goodClient
	received chan struct{}
}

type besiegedServer struct {
	program        *program
	url, operators string
	http1, http2   *http.Client
}

// TestHostileClients attacks with many clients of each kind. Meanwhile rows are written, the clients that behave receive
// each event, and new ones are served. Afterwards no file, goroutine or memory is left.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("the test counts open files in /proc")
	}
	b := newBesieged(t)
	only := regexp.MustCompile(*hostileOnly)
	for _, kind := range append(attacksOnHTTP1(), attacksOnHTTP2()...) {
		if only.MatchString(kind.name) {
			t.Run(kind.name, func(t *testing.T) { b.withstand(t, kind) })
		}
	}
}

func newBesieged(t *testing.T) *besieged {
	t.Helper()
	b := &besieged{T: t, ctx: t.Context(), received: make(chan struct{}, 1)}
	databaseURL, binary := pgtest.NewDatabase(t), buildProgram(t)
	dir, trust := t.TempDir(), x509.NewCertPool()
	writeCertificate(t, dir, "besieged", trust)
	b.plain = serveBesieged(t, binary, databaseURL, "--h2c")
	b.secure = serveBesieged(t, binary, databaseURL, "--tls-cert="+filepath.Join(dir, "cert.pem"), "--tls-key="+filepath.Join(dir, "key.pem"))
	for _, s := range []*besiegedServer{b.plain, b.secure} {
		s.http1, s.http2 = protocolClient(t, trust, false), protocolClient(t, trust, true)
		for i := range 10 {
			b.listen([]*http.Client{s.http1, s.http2}[i%2], s.url)
		}
	}
	b.conn = pgtest.Connect(t, databaseURL)
	b.write()
	awaitEvents(testContext(t), t, b.conn, b.clients, b.received)
	return b
}

// serveBesieged starts a server that has room for all hostile clients: they must not win by being many.
func serveBesieged(t *testing.T, binary, databaseURL string, args ...string) *besiegedServer {
	t.Helper()
	args = append(args, "--admin-addr=127.0.0.1:0", "--log-level=info", "--probe-interval=10s",
		fmt.Sprintf("--memory=%dMiB", hostileMemory), fmt.Sprintf("--max-connections=%d", 2*(*hostileClients)+100))
	s := new(besiegedServer)
	s.program, s.url = serveProgram(t, binary, databaseURL, args...)
	s.operators = s.program.awaitLog(t, "serving operators", "url")
	return s
}

// protocolClient returns a client that speaks one version of HTTP.
func protocolClient(t *testing.T, trust *x509.CertPool, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{RootCAs: trust}}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// listen starts a client that behaves.
func (b *besieged) listen(client *http.Client, url string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.ctx, http.MethodGet, url+"/api/events", nil)
	if err != nil {
		b.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("open a stream: %v, %v", response, err)
	}
	c := &goodClient{done: make(chan struct{})}
	b.clients = append(b.clients, c)
	go c.read(b.ctx, response.Body, b.received)
}

// write writes one row.
func (b *besieged) write() {
	b.Helper()
	pgtest.Exec(b.T, b.conn, `insert into public.activities (category, subcategory, location, reporter) values ('c', 's', 'l', $1)`, strings.Repeat("r", 200))
}

// withstand attacks, and checks the servers during the attack and after it.
func (b *besieged) withstand(t *testing.T, kind hostileKind) {
	limited := testContext(t) // each kind may take as long as other tests
	target := b.plain
	if kind.secure {
		target = b.secure
	}
	before := target.usage(limited, t)
	hasPeak := target.forgetPeak(t)
	ctx, cancel := context.WithTimeout(limited, *hostileTime)
	defer cancel()
	var attacking sync.WaitGroup
	for range *hostileClients {
		h := &hostile{Rand: rand.New(rand.NewPCG(rand.Uint64(), 0)), ctx: ctx, addr: target.url[strings.Index(target.url, "//")+2:]}
		attacking.Go(func() { h.attack(kind) })
	}
	slowest, requests, most := time.Duration(0), 0, before
	for ctx.Err() == nil {
		b.write()
		slowest = max(slowest, b.probe(t, target))
		requests++
		most = most.max(target.usage(limited, t))
		pause(ctx, 20*time.Millisecond)
	}
	attacking.Wait()
	if hasPeak {
		most.rss = max(most.rss, target.peak(t))
	}
	awaitEvents(limited, t, b.conn, b.clients, b.received)
	after := target.awaitRest(limited, t, before)
	t.Logf("%d rows and new connections, answered in at most %v; at most %v, after it %v", requests, slowest.Round(time.Millisecond), most, after)
	if most.rss > maxRSS {
		report := t.Logf
		if *hostileTime >= longAttack {
			report = t.Errorf
		}
		report("the server used %d MiB, more than its budget and 64 MiB", most.rss>>20)
	}
	if strings.Contains(target.program.log.String(), "panic") {
		t.Errorf("the server's log:\n%s", target.program.log.tail())
	}
}

// probe sends a request on a new connection and returns how long the answer took.
func (b *besieged) probe(t *testing.T, s *besiegedServer) time.Duration {
	began := time.Now()
	transport := s.http1.Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	response, err := (&http.Client{Transport: transport}).Get(s.url + "/healthz")
	if err != nil {
		t.Errorf("a new client is not served: %v", err)
		return time.Since(began)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("a new client is answered with %s, %v", response.Status, err)
	}
	return time.Since(began)
}

// repeat returns n copies of a text, as bytes.
func repeat(text string, n int) []byte { return bytes.Repeat([]byte(text), n) }
