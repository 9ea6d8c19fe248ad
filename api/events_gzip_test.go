package api_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/stream"
)

// openGzip opens a stream as a client that decompresses by itself.
func (s *streamServer) openGzip(target string, header ...string) *streamClient {
	s.Helper()
	l := s.open(target, append(header, "Accept-Encoding", "gzip")...)
	if got := l.response.Header; got.Get("Content-Encoding") != "gzip" || !strings.Contains(strings.Join(got.Values("Vary"), ","), "Accept-Encoding") {
		s.Fatalf("the stream has the headers %v", got)
	}
	r, err := gzip.NewReader(l.response.Body)
	if err != nil {
		s.Fatal(err)
	}
	l.in = bufio.NewReader(r)
	return l
}

// useHTTP2 makes the server and its client use HTTP/2 without TLS.
func useHTTP2(h *http.Server) {
	h.Protocols = new(http.Protocols)
	h.Protocols.SetUnencryptedHTTP2(true)
}

// A client that accepts gzip receives what the others do, each event at once: over HTTP/1.1 and HTTP/2, live, from
// memory and from the log.
func TestGzip(t *testing.T) {
	for name, feed := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}} {
		for transport, isHTTP2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			t.Run(name+" "+transport, func(t *testing.T) { testGzip(t, feed, transport, isHTTP2) })
		}
	}
}

func testGzip(t *testing.T, feed stream.FeedOptions, proto string, isHTTP2 bool) {
	options := streamServerOptions{feed: feed, api: func(o *apiOptions) {
		o.Streams.Compress = true
		o.add(api.Auth{Authenticator: fourUsers()})
	}}
	if isHTTP2 {
		options.server = useHTTP2
	}
	s := newStreamServer(t, options)
	if isHTTP2 {
		transport := s.web.Client().Transport.(*http.Transport)
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	s.web.Client().Transport.(*http.Transport).DisableCompression = true
	first := s.openSynced("", "Test-User", "joe")
	if first.response.Proto != proto || first.response.Header.Get("Content-Encoding") != "" {
		t.Fatalf("a stream that does not accept gzip: %s, %v", first.response.Proto, first.response.Header)
	}
	from := idOf(first.received.String())
	pairs := s.openGzipPairs("")
	for n := range 12 {
		s.commitFor(nil, []string{"user:ann"}, []string{"role:nurse"})
		text := fmt.Sprintf("mark %d", n)
		s.commitFor([]string{"*", text})
		for _, l := range pairs {
			l.readUntil(text)
		}
	}
	pairs = append(pairs, s.openGzipPairs("?since="+from)...)
	s.commitFor([]string{"*", "the end"})
	for i, l := range pairs {
		l.readUntil("the end")
		if i%2 == 1 && strings.Join(l.payloads(), " ") != strings.Join(pairs[i-1].payloads(), " ") {
			t.Errorf("stream %d got\n%s\nand without compression\n%s", i, l.payloads(), pairs[i-1].payloads())
		}
	}
}

// openGzipPairs opens for each user a stream without compression, followed by one with it.
func (s *streamServer) openGzipPairs(target string) (pairs []*streamClient) {
	s.Helper()
	for _, user := range []string{"ann", "joe"} {
		plain, packed := s.openSynced(target, "Test-User", user), s.openGzip(target, "Test-User", user)
		packed.readUntil(`"sync"`)
		pairs = append(pairs, plain, packed)
	}
	return pairs
}

// Without --compress, and for clients that refuse gzip, streams are plain.
func TestGzipIsOptional(t *testing.T) {
	for name, c := range map[string]struct {
		isOn   bool
		accept string
	}{"off": {false, "gzip"}, "refused": {true, "gzip;q=0, identity"}, "other": {true, "br"}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.Streams.Compress = c.isOn }})
			l := s.openSynced("", "Accept-Encoding", c.accept)
			if got := l.response.Header.Get("Content-Encoding"); got != "" {
				t.Errorf("Content-Encoding: %s", got)
			}
			s.commit("plain")
			l.readUntil(`"plain"`)
		})
	}
}

// A HEAD request has the headers of the stream that a GET request has.
func TestHeadersOfGzipStreams(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.Streams.Compress = true }})
	for accepted, want := range map[string]string{"gzip": "gzip", "identity": ""} {
		response, _ := s.request(http.MethodHead, "/api/events", "Accept-Encoding", accepted)
		h := response.Header
		if response.StatusCode != http.StatusOK || h.Get("Content-Encoding") != want || !strings.Contains(strings.Join(h.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("HEAD that accepts %s: %d, %v", accepted, response.StatusCode, h)
		}
	}
}
