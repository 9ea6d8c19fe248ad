package request

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// boundServer answers with the method. A handler at /read reads the body first, one at /slow waits for more than the
// deadline of a body afterwards.
func boundServer(t *testing.T, b bounds) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(b.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ignore" {
			if _, err := readBody(w, r, 100); err != nil {
				w.WriteHeader(http.StatusTeapot)
				return
			}
		}
		if r.URL.Path == "/slow" {
			select {
			case <-time.After(2 * b.body):
			case <-r.Context().Done():
				w.WriteHeader(http.StatusGone)
				return
			}
		}
		if r.URL.Path == "/ended-stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Content-Length", strconv.Itoa(len(r.Method)))
		}
		_, _ = io.WriteString(w, r.Method)
	})))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.DisableGeneralOptionsHandler = true
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func admitAll(*http.Request) (release func(), err error) { return func() {}, nil }

func dialTest(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestBodiesThatAreWithheld(t *testing.T) {
	s := boundServer(t, bounds{body: 50 * time.Millisecond, rest: 10 * time.Millisecond, admit: admitAll})
	for request, status := range map[string]string{
		"GET / HTTP/1.1\r\nContent-Length: 5":                                     "413",
		"GET / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue":             "413",
		"GET / HTTP/1.1\r\nContent-Length: 9223372036854775807":                   "413",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked":                            "408",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue":    "100",
		"HEAD / HTTP/1.1\r\nContent-Length: 5":                                    "413",
		"DELETE / HTTP/1.1\r\nContent-Length: 5":                                  "413",
		"OPTIONS * HTTP/1.1\r\nContent-Length: 5":                                 "413",
		"QUERY / HTTP/1.1\r\nContent-Length: 5":                                   "413",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5":           "413",
		"POST /read HTTP/1.1\r\nContent-Length: 5":                                "418",
		"POST /read HTTP/1.1\r\nTransfer-Encoding: chunked":                       "418",
		"POST /ignore HTTP/1.1\r\nContent-Length: 5":                              "200",
		"POST /ignore HTTP/1.1\r\nContent-Length: 5000000":                        "200",
		"POST /ignore HTTP/1.1\r\nTransfer-Encoding: chunked":                     "200",
		"PUT /ignore HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X-After":  "200",
		"PATCH /ignore HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue":     "200",
		"POST /ignore HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5":    "200",
		"POST /ignore HTTP/1.1\r\nContent-Length: 5\r\nConnection: close":         "200",
		"GET / HTTP/1.1\r\nContent-Length: 5\r\nConnection: close":                "413",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nX:": "408",
	} {
		conn := dialTest(t, s)
		if _, err := io.WriteString(conn, request+"\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn) // until the server closes the connection
		if err != nil || len(answer) < 9 || !strings.HasPrefix(string(answer[9:]), status) {
			t.Errorf("%q: %v, answer %q, want %s", request, err, answer, status)
		}
	}
}

// A field of a header takes far more memory than bytes, so that their number is bounded, whether they have one name or many.
func TestRequestsWithVeryManyFields(t *testing.T) {
	s := boundServer(t, bounds{admit: admitAll, refusals: make(chan struct{}, 8)}) // the client has a refusal before the server has let it go
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(!http2)
		transport.Protocols.SetUnencryptedHTTP2(http2)
		for name, test := range map[string]struct{ fields, names, want int }{
			"one name": {maxFields + 1, 1, http.StatusRequestHeaderFieldsTooLarge}, "many names": {maxFields + 1, maxFields + 1, http.StatusRequestHeaderFieldsTooLarge},
			"two names": {maxFields + 1, 2, http.StatusRequestHeaderFieldsTooLarge}, "as many as may be": {maxFields - 5, maxFields - 5, http.StatusOK},
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/ignore", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range test.fields {
				r.Header.Add("X-"+strconv.Itoa(i%test.names), "y")
			}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != test.want {
				t.Errorf("HTTP/2 %v, %s: status %d, want %d", http2, name, response.StatusCode, test.want)
			}
		}
		transport.CloseIdleConnections()
	}
}

// A body that comes in small pieces must still be complete before the deadline.
func TestBodiesThatTrickle(t *testing.T) {
	s := boundServer(t, bounds{body: 50 * time.Millisecond, rest: 20 * time.Millisecond, admit: admitAll})
	for _, method := range []string{"GET /", "POST /read", "POST /ignore"} {
		for _, form := range []string{"Transfer-Encoding: chunked", "Content-Length: 1000000"} {
			conn := dialTest(t, s)
			go func() {
				_, err := io.WriteString(conn, method+" HTTP/1.1\r\nHost: x\r\n"+form+"\r\n\r\n")
				for err == nil {
					_, err = io.WriteString(conn, "1\r\nx\r\n")
				}
			}()
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil && !isReset(err) {
				t.Errorf("%s, %s: %v", method, form, err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && !isReset(err) {
				t.Errorf("%s, %s: the connection stays open: %v", method, form, err)
			}
		}
	}
}

// isReset reports whether the server closed the connection while bytes were on their way to it.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// Requests that behave keep their connection.
func TestConnectionsAreKept(t *testing.T) {
	s := boundServer(t, bounds{body: time.Minute, rest: time.Minute, admit: admitAll})
	conn := dialTest(t, s)
	in := bufio.NewReader(conn)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"POST /ignore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"POST /read HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", // pipelined
		"",
	} {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%q: %v, %v", request, response, err)
		}
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Fatal(err)
		}
	}
}

// The deadline of a body ends with the body: the work afterwards may take longer.
func TestWorkAfterABodyMayTakeLonger(t *testing.T) {
	s := boundServer(t, bounds{body: 50 * time.Millisecond, rest: time.Millisecond, admit: admitAll})
	for _, http2 := range []bool{false, true} {
		client := boundClient(t, http2)
		for range 2 { // the second request uses the same connection
			for method, body := range map[string]io.Reader{
				http.MethodPost: strings.NewReader("x"), http.MethodGet: nil, http.MethodPut: struct{ io.Reader }{strings.NewReader("x")},
			} {
				r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/slow", body)
				if err != nil {
					t.Fatal(err)
				}
				response, err := client.Do(r)
				if err != nil || response.StatusCode != http.StatusOK {
					t.Fatalf("HTTP/2 %v, %s: %v, %v", http2, method, response, err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		}
	}
}

// On HTTP/2 a stream without its body is answered, and the other streams of the connection go on.
func TestBodiesThatAreWithheldOnHTTP2(t *testing.T) {
	s := boundServer(t, bounds{body: 50 * time.Millisecond, rest: 10 * time.Millisecond, admit: admitAll})
	client := boundClient(t, true)
	for target, want := range map[string]int{"GET /": 408, "DELETE /": 408, "POST /read": 418, "POST /ignore": 200} {
		method, path, _ := strings.Cut(target, " ")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		withheld, end := io.Pipe()
		r, err := http.NewRequestWithContext(ctx, method, s.URL+path, withheld)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil || response.StatusCode != want {
			t.Errorf("%s: %v, %v, want %d", target, response, err, want)
		} else {
			_ = response.Body.Close()
		}
		_ = end.Close()
		cancel()
	}
}

func boundClient(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// A request beyond the limit is answered and its connection closed, also if its body is withheld. One that ends makes room.
func TestRequestsInProgress(t *testing.T) {
	slots := make(chan struct{}, 1)
	s := boundServer(t, bounds{body: time.Minute, rest: 10 * time.Millisecond, admit: func(*http.Request) (func(), error) {
		select {
		case slots <- struct{}{}:
			return func() { <-slots }, nil
		default:
			return nil, BadBody("full")
		}
	}})
	first := dialTest(t, s) // has the only slot while its body is missing
	if _, err := io.WriteString(first, "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(first)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%s, %v", line, err)
	}
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"} {
		conn := dialTest(t, s)
		_, _ = io.WriteString(conn, request)
		if answer, err := io.ReadAll(conn); err != nil || !strings.Contains(string(answer), "full") {
			t.Errorf("%q: %s, %v", request, answer, err)
		}
	}
	_, _ = io.WriteString(first, "x")
	for _, want := range []string{"\r\n", "HTTP/1.1 200 OK\r\n"} {
		if line, err := in.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v, want %q", line, err, want)
		}
	}
	_ = first.Close()
	slots <- struct{}{} // once the first has ended
}

// On HTTP/2 a response that the client does not read keeps its request in progress, and refusals that it does not read are
// bounded.
func TestResponsesThatAreNotRead(t *testing.T) {
	var inProgress atomic.Int64
	b := bounds{body: time.Minute, rest: time.Minute, refusals: make(chan struct{}, 3)}
	b.admit = func(r *http.Request) (func(), error) {
		switch r.URL.Path {
		case "/refused":
			return nil, BadBody("full")
		case "/stream", "/ended-stream":
			return nil, nil
		}
		inProgress.Add(1)
		return func() { inProgress.Add(-1) }, nil
	}
	s := boundServer(t, b)
	conn := dialTest(t, s)
	f := http2.NewFramer(conn, conn)
	var header bytes.Buffer
	encoder := hpack.NewEncoder(&header)
	_, err := io.WriteString(conn, http2.ClientPreface)
	err = errors.Join(err, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	const each = 5
	for i, path := range slices.Repeat([]string{"/ignore", "/refused", "/stream", "/ended-stream"}, each) {
		header.Reset()
		for _, field := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "x"}} {
			err = errors.Join(err, encoder.WriteField(field))
		}
		err = errors.Join(err, f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: header.Bytes(), EndStream: true, EndHeaders: true}))
	}
	if err != nil {
		t.Fatal(err)
	}
	for resets := 0; resets < 3*each-cap(b.refusals); {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("after %d resets: %v", resets, err)
		}
		if frame.Header().Type == http2.FrameRSTStream {
			resets++
		}
	}
	for inProgress.Load() != each { // until the others have begun
		runtime.Gosched()
	}
	if len(b.refusals) != cap(b.refusals) {
		t.Errorf("%d refusals wait, want %d", len(b.refusals), cap(b.refusals))
	}
	_ = conn.Close()
	for inProgress.Load() > 0 || len(b.refusals) > 0 {
		runtime.Gosched()
	}
}
