package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/admission"
	"github.com/pgherald/pgherald/stream"
)

// pageOf is a page of events as a client reads it.
type pageOf struct {
	Events []json.RawMessage
	Cursor string
	More   bool
	Sync   *stream.Sync

	response *http.Response
	body     string
}

// fetch sends a request for a page and returns the response with its body.
func (s *streamServer) fetch(method, target string, header ...string) (*http.Response, string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	response := s.send(ctx, method, "/api/events"+target, append([]string{"Accept", "application/json"}, header...)...)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response, string(body)
}

// page fetches a page, which must be one.
func (s *streamServer) page(target string, header ...string) (p pageOf) {
	s.Helper()
	p.response, p.body = s.fetch(http.MethodGet, target, header...)
	if err := json.Unmarshal([]byte(p.body), &p); err != nil || p.response.StatusCode != http.StatusOK || p.Cursor == "" {
		s.Fatalf("%s: status %d, %v: %s", target, p.response.StatusCode, err, p.body)
	}
	return p
}

func (s *streamServer) wantStatus(status int, part, method, target string, header ...string) {
	s.Helper()
	response, body := s.fetch(method, target, header...)
	if response.StatusCode != status || !strings.Contains(body, part) {
		s.Errorf("%s %s: status %d, %s; want %d with %q", method, target, response.StatusCode, body, status, part)
	}
}

// text describes a page for a golden file: the headers that matter, and the body.
func (p *pageOf) text() string {
	var b strings.Builder
	for _, name := range []string{"Content-Type", "Cache-Control", "Vary", "Etag"} {
		if values := p.response.Header.Values(name); values != nil {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	return b.String() + "\n" + p.body
}

func TestBytesOfPages(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	first := s.page("")
	golden(t, "page_first", first.text())
	s.commitTogether([]string{"activity_created"}, []string{"activity_updated", "assignment_changed"}, []string{"activity_updated"})
	s.awaitFeed(4)
	since := "?since=" + first.Cursor
	all := s.page(since)
	golden(t, "page_all", all.text())
	golden(t, "page_more", ptr(s.page(since+"&max=2")).text())
	golden(t, "page_filtered", ptr(s.page(since+"&types=assignment_changed")).text())
	golden(t, "page_conflated", ptr(s.page(since+"&conflate=1")).text())
	golden(t, "page_empty", ptr(s.page("?since="+all.Cursor)).text())
	golden(t, "page_malformed", ptr(s.page("?since=x&wait=55s")).text())
	golden(t, "page_other_log", ptr(s.page("?since=other-1~1&wait=55s")).text())
	golden(t, "page_future", ptr(s.page("?since=k3f9-zzz~1")).text())
}

func ptr[T any](v T) *T { return &v }

// TestPagesEqualTheStream pages through random histories with random limits, from memory and from the log, and
// compares the envelopes with those of a stream with the same filter.
func TestPagesEqualTheStream(t *testing.T) {
	for name, options := range map[string]stream.FeedOptions{"memory": {}, "log": {Bytes: 1, Fill: 1}, "both": {Bytes: 3000, Fill: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, streamServerOptions{feed: options})
			s.log.PartSize = 3
			r := rand.New(rand.NewPCG(1, 9))
			start := s.page("").Cursor
			written := randomHistory(s, r)
			s.awaitFeed(written)
			for _, filter := range []string{"", "&types=a", "&types=a,c", "&key=k1"} {
				l := s.open("?since=" + start + filter)
				want := streamedEnvelopes(l, s, filter)
				for range 4 {
					max := []int{1, 2, 5, 1000}[r.IntN(4)]
					got := pagedEnvelopes(s, fmt.Sprintf("%s&max=%d", filter, max), start, max)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%s in pages of %d (- stream, + pages):\n%s", filter, max, diff)
					}
				}
			}
		})
	}
}

// randomHistory writes overlapping transactions, and a last one. It returns the number of events that were committed.
func randomHistory(s *streamServer, r *rand.Rand) (committed uint64) {
	type open = interface {
		Write(eventType, key string)
		Commit()
		Rollback()
	}
	txs, sizes := []open{}, []uint64{}
	for range 150 {
		switch n := r.IntN(8); {
		case len(txs) == 0 || n < 2:
			txs, sizes = append(txs, s.log.Begin()), append(sizes, 0)
		case n < 6:
			i := r.IntN(len(txs))
			for range 1 + r.IntN(4) {
				txs[i].Write(string(rune('a'+r.IntN(4))), fmt.Sprint("k", r.IntN(3)))
				sizes[i]++
			}
		default:
			i := r.IntN(len(txs))
			if r.IntN(4) == 0 {
				txs[i].Rollback()
			} else {
				txs[i].Commit()
				committed += sizes[i]
			}
			txs, sizes = slices.Delete(txs, i, i+1), slices.Delete(sizes, i, i+1)
			s.wakeFeed()
		}
	}
	for i, tx := range txs {
		tx.Commit()
		committed += sizes[i]
	}
	for _, eventType := range []string{"a", "b"} { // every filter matches one, and knows where to end
		tx := s.log.Begin()
		tx.Write(eventType, "k1")
		tx.Write("a", "k1")
		tx.Commit()
		committed += 2
	}
	s.wakeFeed()
	return committed
}

// streamedEnvelopes returns the data lines of a stream up to the newest event that its filter matches.
func streamedEnvelopes(l *streamClient, s *streamServer, filter string) (envelopes []string) {
	s.Helper()
	last := ""
	for _, tx := range s.log.Committed() {
		if len(tx.Events) > 0 {
			last = fmt.Sprintf(`data: {"id":%d,`, tx.Events[len(tx.Events)-1].ID)
		}
	}
	l.readUntil(last)
	for line := range strings.Lines(l.received.String()) {
		if envelope, ok := strings.CutPrefix(line, "data: "); ok && !strings.Contains(line, `"type":"sync"`) {
			envelopes = append(envelopes, strings.TrimSuffix(envelope, "\n"))
		}
	}
	return envelopes
}

// pagedEnvelopes reads pages until there is no more.
func pagedEnvelopes(s *streamServer, query, since string, max int) (envelopes []string) {
	s.Helper()
	for {
		p := s.page("?since=" + url.QueryEscape(since) + query)
		if p.Sync != nil {
			s.Fatalf("got %s", p.body)
		}
		if len(p.Events) > max && !isOneTransaction(s, p.Events) {
			s.Fatalf("a page of %d has %d events", max, len(p.Events))
		}
		if isImmutable := strings.Contains(p.response.Header.Get("Cache-Control"), "immutable"); isImmutable != p.More || p.More != (p.response.Header.Get("Etag") != "") {
			s.Fatalf("more %t with the headers %v", p.More, p.response.Header)
		}
		for _, e := range p.Events {
			envelopes = append(envelopes, string(e))
		}
		if !p.More {
			return envelopes
		}
		since = p.Cursor
	}
}

// isOneTransaction reports whether the events belong to one transaction.
func isOneTransaction(s *streamServer, events []json.RawMessage) bool {
	of := map[int64]uint64{}
	for _, tx := range s.log.Committed() {
		for _, e := range tx.Events {
			of[e.ID] = tx.XID
		}
	}
	xids := map[uint64]bool{}
	for _, raw := range events {
		var e struct{ ID int64 }
		if err := json.Unmarshal(raw, &e); err != nil {
			s.Fatal(err)
		}
		xids[of[e.ID]] = true
	}
	return len(xids) == 1
}

// A client that has a page gets a 304, and other caches than its own keep the page only if the server knows no identities.
func TestPageCaching(t *testing.T) {
	for name, o := range map[string]streamServerOptions{"anonymous": {}, "tokens": withTokens(newJWT(t))} {
		t.Run(name, func(t *testing.T) {
			s := newStreamServer(t, o)
			var auth []string
			if name == "tokens" {
				auth = bearer(token(t, nil))
			}
			start := s.page("", auth...).Cursor
			for range 3 {
				s.commit("a")
			}
			s.awaitFeed(3)
			target := "?max=2&since=" + start
			p := s.page(target, auth...)
			tag := p.response.Header.Get("Etag")
			for _, header := range []string{tag, `"other", W/` + tag, "*"} {
				if response, body := s.fetch(http.MethodGet, target, append(auth, "If-None-Match", header)...); response.StatusCode != http.StatusNotModified ||
					body != "" || response.Header.Get("Etag") != tag {
					t.Errorf("If-None-Match %s: status %d, %v", header, response.StatusCode, response.Header)
				}
			}
			s.wantStatus(http.StatusOK, `"events"`, http.MethodGet, target, append(auth, "If-None-Match", `"other"`)...)
			want := map[string]string{"anonymous": "public, max-age=3600, immutable", "tokens": "private, max-age=35"}[name]
			if got := p.response.Header.Get("Cache-Control"); !strings.HasPrefix(got, want) {
				t.Errorf("Cache-Control %s, want %s", got, want)
			}
			for _, header := range [][]string{{"Cookie", "session=1"}, bearer("of a proxy")} {
				if name == "tokens" {
					break
				}
				if p := s.page(target, header...); !strings.HasPrefix(p.response.Header.Get("Cache-Control"), "private, ") {
					t.Errorf("with %s: Cache-Control %s", header[0], p.response.Header.Get("Cache-Control"))
				}
			}
			if vary := strings.Join(p.response.Header.Values("Vary"), ","); strings.Contains(vary, "Authorization") != (name == "tokens") || !strings.Contains(vary, "Accept") {
				t.Errorf("Vary %s", vary)
			}
			if p := s.page("?max=2", append(auth, "Last-Event-ID", start)...); !p.More || p.response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("with the cursor in a header: %s", p.text())
			}
		})
	}
}

// HEAD answers as GET would, begins nothing and keeps no slot.
func TestHeadOfEvents(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) {
		o.Streams.Admission = admission.New(admission.Options{Total: 1})
	}})
	start := s.page("").Cursor
	s.commit("a")
	s.commit("b")
	s.awaitFeed(2)
	for _, accept := range []string{"text/event-stream", "*/*", "application/json"} {
		for _, target := range []string{"", "?since=" + start, "?max=1&wait=50s&since=" + start, "?x=1", "?types="} {
			head, body := s.fetch(http.MethodHead, target, "Accept", accept)
			if body != "" {
				t.Errorf("HEAD %s has the body %s", target, body)
			}
			get := s.open(target, "Accept", accept)
			for _, name := range []string{"Content-Type", "Cache-Control", "Etag", "Vary", "X-Accel-Buffering", "Content-Length"} {
				if h, g := head.Header.Get(name), get.response.Header.Get(name); h != g && (head.StatusCode == http.StatusOK || name != "Content-Length") {
					t.Errorf("%s %s: HEAD has %s %q, GET %q", accept, target, name, h, g)
				}
			}
			if head.StatusCode != get.response.StatusCode {
				t.Errorf("%s %s: HEAD has status %d, GET %d", accept, target, head.StatusCode, get.response.StatusCode)
			}
			get.disconnect()
			s.awaitSlot()
		}
	}
}

// awaitSlot waits until a stream is admitted.
func (s *streamServer) awaitSlot() {
	s.Helper()
	for ctx, cancel := context.WithTimeout(context.Background(), waitLimit); ; {
		response := s.send(ctx, http.MethodHead, "/api/events")
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			cancel()
			return
		}
	}
}

// The parameters of pages are bounded, and streams refuse them.
func TestPageParameters(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	for target, part := range map[string]string{
		"?max=0": "1 to 1000", "?max=1001": "1 to 1000", "?max=x": "1 to 1000", "?max=1&max=2": "1 to 1000", "?max=": "1 to 1000", "?max=99999999999999999999": "1 to 1000",
		"?wait=56s": "55s", "?wait=-1s": "55s", "?wait=25": "55s", "?wait=1s&wait=2s": "55s", "?batch=1s": "leave it out", "?conflate=2": "must be 1", "?types=": "empty type", "?y=1": "unknown",
	} {
		s.wantStatus(http.StatusBadRequest, part, http.MethodGet, target)
	}
	for _, target := range []string{"?max=1", "?wait=1s"} {
		for _, accept := range []string{"text/event-stream", "*/*", "application/json, text/event-stream", "application/json;q=0", "text/html"} {
			s.wantStatus(http.StatusBadRequest, "send the header Accept: application/json", http.MethodGet, target, "Accept", accept)
		}
	}
	if p := s.page("", "Accept", "text/html;q=0.5, Application/JSON; charset=utf-8;q=0.9"); len(p.Events) != 0 || p.Sync == nil || p.Sync.Mode != stream.ModeLive {
		t.Errorf("got %s", p.body)
	}
	if tickets := newStreamServer(t, streamServerOptions{api: func(o *apiOptions) { o.add(api.Publishing{Publisher: nopPublisher{}}) }}); tickets != nil {
		tickets.wantStatus(http.StatusBadRequest, "ticket", http.MethodGet, "?ticket=x")
	}
}

type nopPublisher struct{}

func (nopPublisher) Publish(context.Context, string, json.RawMessage, *string, []string) (int64, error) {
	return 0, nil
}
