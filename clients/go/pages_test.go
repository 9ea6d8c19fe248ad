package pgherald

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
	"github.com/pgherald/pgherald/stream/backoff"
)

// proxy lets no stream through until a time. Pages are empty, and come after the wait.
type proxy struct {
	worksAt  time.Duration
	began    time.Time
	requests []string
}

func (p *proxy) answer(r *http.Request, w *io.PipeWriter) {
	query, at := r.URL.Query(), time.Since(p.began)
	if r.Header.Get("Accept") == "application/json" {
		p.requests = append(p.requests, fmt.Sprintf("%s page %s %s", at, query.Get("since"), query.Get("wait")))
		wait, _ := time.ParseDuration(query.Get("wait"))
		_ = backoff.Sleep(r.Context(), wait)
		_, _ = io.WriteString(w, fmt.Sprintf(`{"events":[],"cursor":"p%d","more":false}`, len(p.requests)))
		w.Close()
		return
	}
	p.requests = append(p.requests, fmt.Sprintf("%s stream %s", at, r.Header.Get("Last-Event-ID")))
	if at >= p.worksAt {
		_, _ = io.WriteString(w, pgheraldtest.WithID("c1", pgheraldtest.Row(1)))
	}
	<-r.Context().Done()
}

// A client asks for pages while a proxy lets no stream through, and tries a stream from time to time.
func TestPagesUntilAStreamWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &proxy{worksAt: 2 * time.Minute, began: time.Now()}
		r := newRecorder(t, "http://pgherald", Options{HTTPClient: &http.Client{Transport: transport(p.answer)}})
		if err := r.receive(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"0s stream ", "10s page  ", "10s page p2 25000ms", "35s page p3 25000ms", "1m0s page p4 25000ms",
			"1m25s stream p5", "1m35s page p5 ",
			"1m35s page p7 25000ms", "2m0s page p8 25000ms", "2m25s page p9 25000ms", "2m50s page p10 25000ms", "3m15s page p11 25000ms",
			"3m40s stream p12",
		}
		if !slices.Equal(p.requests, want) {
			t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(p.requests, "\n"), strings.Join(want, "\n"))
		}
		if len(r.status) != 1 || !strings.Contains(r.status[0], "the stream did not begin, for 10s: asking for pages") {
			t.Errorf("status = %q", r.status)
		}
	})
}

// A client that may not ask for pages tries a stream again and again.
func TestStreamsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &proxy{worksAt: 15 * time.Second, began: time.Now()}
		r := newRecorder(t, "http://pgherald", Options{
			Transport: TransportStream, ConnectTimeout: 5 * time.Second, HTTPClient: &http.Client{Transport: transport(p.answer)},
		})
		if err := r.receive(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if want := []string{"0s stream ", "5s stream ", "10s stream ", "15s stream "}; !slices.Equal(p.requests, want) {
			t.Errorf("requests = %q, want %q", p.requests, want)
		}
	})
}

// A server that never waits does not make the client spin.
func TestPagesWithoutAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := newRecorder(t, "http://pgherald", Options{Transport: TransportPoll, HTTPClient: &http.Client{Transport: transport(func(_ *http.Request, w *io.PipeWriter) {
			count++
			_, _ = io.WriteString(w, `{"events":[],"cursor":"c1","more":true}`)
			w.Close()
		})}})
		if err := r.receive(ctx, 1); err == nil || count > 65 {
			t.Errorf("receive = %v after %d requests in a minute", err, count)
		}
	})
}

// A loop body may take its time: the connection is not silent.
func TestASlowLoopKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		r := newRecorder(t, "http://pgherald", Options{HTTPClient: &http.Client{Transport: transport(func(r *http.Request, w *io.PipeWriter) {
			requests++
			_, _ = io.WriteString(w, pgheraldtest.WithID("c1", pgheraldtest.Row(1)))
			_, _ = io.WriteString(w, pgheraldtest.WithID("c2", pgheraldtest.Row(2)))
			<-r.Context().Done()
		})}})
		for event, err := range r.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if event.ID == 2 {
				break
			}
			_ = backoff.Sleep(t.Context(), 10*time.Minute)
		}
		if requests != 1 || len(r.status) > 0 {
			t.Errorf("%d requests, status %q", requests, r.status)
		}
	})
}

func TestUnknownTransportsAreRefused(t *testing.T) {
	if _, err := New("http://pgherald", Options{Transport: "pigeon"}); err == nil {
		t.Error("New accepts the transport pigeon")
	}
}
