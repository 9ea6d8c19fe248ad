package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/server"
	"github.com/pgherald/pgherald/db/pgtest"
)

// writeCertificate makes a certificate for loopback with a key, writes both to dir, and trusts it.
func writeCertificate(t *testing.T, dir, name string, trust *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust.AppendCertsFromPEM(cert)
	write(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	write(t, filepath.Join(dir, "cert.pem"), cert)
}

// write replaces a file atomically.
func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// protocolOf opens a stream over a connection of its own and reads its first event. It returns the protocol
// and the common name in the server's certificate.
func protocolOf(ctx context.Context, t *testing.T, n *node, transport *http.Transport) (protocol, name string) {
	t.Helper()
	ctx, disconnect := context.WithCancel(ctx)
	defer transport.CloseIdleConnections()
	defer disconnect()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.at("/api/events"), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), `"sync"`) {
			if response.TLS != nil {
				name = response.TLS.PeerCertificates[0].Subject.CommonName
			}
			return response.Proto, name
		}
	}
	t.Fatal("the stream ended without a first event")
	return "", ""
}

// TestTLS replaces the certificate while the server runs, by good ones and by unusable ones.
func TestTLS(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	dir, trust := t.TempDir(), x509.NewCertPool()
	writeCertificate(t, dir, "first", trust)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) {
		c.Listen.TLSCert, c.Listen.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	expect := func(protocol, name string, http2 bool) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: http2}
		if gotProtocol, gotName := protocolOf(ctx, t, n, transport); gotProtocol != protocol || gotName != name {
			t.Errorf("a stream over %s with the certificate %s, want %s with %s", gotProtocol, gotName, protocol, name)
		}
	}
	expect("HTTP/2.0", "first", true)
	expect("HTTP/1.1", "first", false)
	writeCertificate(t, dir, "second", trust)
	expect("HTTP/2.0", "second", true)
	write(t, filepath.Join(dir, "cert.pem"), []byte("nonsense"))
	expect("HTTP/2.0", "second", true)
	if !strings.Contains(n.log.String(), "new certificate rejected") {
		t.Error("the log does not mention the unusable certificate")
	}
	if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	expect("HTTP/2.0", "second", true)
	writeCertificate(t, dir, "third", trust)
	expect("HTTP/2.0", "third", true)
}

// TestH2C speaks HTTP/2 without TLS and with prior knowledge, as a proxy does, and HTTP/1.1 beside it.
func TestH2C(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	n := newNode(pgtest.NewDatabase(t), func(c *server.Config) { c.Listen.H2C = true })
	t.Cleanup(func() { n.end(t) })
	startNodes(ctx, t, n)
	over := func(set func(*http.Protocols)) string {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		set(transport.Protocols)
		protocol, _ := protocolOf(ctx, t, n, transport)
		return protocol
	}
	if got := over(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }); got != "HTTP/2.0" {
		t.Errorf("with prior knowledge, the protocol is %s", got)
	}
	if got := over(func(p *http.Protocols) { p.SetHTTP1(true) }); got != "HTTP/1.1" {
		t.Errorf("without, the protocol is %s", got)
	}
	receiveActivity(ctx, t, n)
}
