package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Remembered answers are bounded by their memory, however many sessions there are, and the last used ones stay.
func TestForwardMemory(t *testing.T) {
	const kept = 10
	now := time.Unix(1764000000, 0)
	name := strings.Repeat("x", maxName)
	id := Identity{User: name, Roles: []string{name}, Grants: []string{name, name}}
	refused := answer{err: &Error{Application: []byte(name)}}
	size := sizeOf(answer{id: id})
	if least := 4 * maxName; size < least || sizeOf(refused) < maxName {
		t.Fatalf("sizes %d and %d", size, sizeOf(refused))
	}
	s := newAnswers(kept * size)
	questions := 0
	find := func(i int) {
		q := question{key: sha256.Sum256(fmt.Append(nil, i))}
		_, _, err := s.find(t.Context(), q, now, time.Time{}, func() answer {
			questions++
			return answer{id: id, at: now, until: now.Add(time.Minute)}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		find(i)
		find(0) // stays, since it is used
	}
	for i := 999; i > 999-kept+1; i-- {
		find(i)
	}
	if questions != 1000 || s.bytes > s.most || s.used.Len() != kept || len(s.byKey) != kept || len(s.flights) != 0 {
		t.Errorf("%d questions, %d bytes of %d, %d answers, %d flights", questions, s.bytes, s.most, s.used.Len(), len(s.flights))
	}
	find(500)
	if questions != 1001 {
		t.Error("an answer beyond the bound is remembered")
	}
}

// A question that ends without an answer does not hold up the requests that wait for it.
func TestForwardFlightThatPanics(t *testing.T) {
	s := newAnswers(1 << 20)
	waits := make(chan error, 1)
	func() {
		defer func() { _ = recover() }()
		_, _, _ = s.find(t.Context(), question{}, time.Time{}, time.Time{}, func() answer {
			f := s.flights[answerKey{}]
			go func() {
				<-f.done
				waits <- f.answer.err
			}()
			panic("a mistake")
		})
	}()
	if err := <-waits; !errors.Is(err, errPanic) && err == nil {
		t.Errorf("a waiting request: %v", err)
	}
	if len(s.flights) != 0 {
		t.Error("the flight goes on")
	}
}

// An answer replaces only those to earlier questions, and the lack of one replaces none.
func TestForwardOrderOfAnswers(t *testing.T) {
	s := newAnswers(1 << 20)
	at := func(seconds int) time.Time { return time.Unix(1764000000+int64(seconds), 0) }
	find := func(now, since time.Time, a answer, meanwhile func()) answer {
		t.Helper()
		a, _, err := s.find(t.Context(), question{}, now, since, func() answer {
			meanwhile()
			return a
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	said := func(user string, now time.Time) answer {
		return answer{id: Identity{User: user}, at: now, until: now.Add(time.Minute)}
	}
	nothing := func() {}
	find(at(0), time.Time{}, said("old", at(0)), func() { find(at(1), at(1), said("new", at(1)), nothing) })
	if a := find(at(2), time.Time{}, said("newer", at(2)), nothing); a.id.User != "new" {
		t.Errorf("after an older answer: %q", a.id.User)
	}
	failed := unavailable(0, errors.New("it answers 500"))
	failed.at = at(3)
	if a := find(at(3), at(3), failed, nothing); a.err == nil {
		t.Error("an old answer was given to a request for a new one")
	}
	if a := find(at(4), time.Time{}, said("newer", at(4)), nothing); a.id.User != "new" {
		t.Errorf("after an outage: %q", a.id.User)
	}
	find(at(5), at(5), answer{err: errors.New("refused"), at: at(5)}, nothing)
	if a := find(at(6), time.Time{}, said("newer", at(6)), nothing); a.id.User != "newer" {
		t.Errorf("after a refusal: %q", a.id.User)
	}
}

// slowApplication needs a second for a connection, and answers then.
type slowApplication struct{}

func (slowApplication) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Second):
	case <-r.Context().Done():
		return nil, &net.OpError{Op: "dial", Err: r.Context().Err()}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"sub":"alice"}`)),
	}, nil
}

// The time that a request waits for others is not taken from the application's.
func TestForwardWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := NewForward(ForwardOptions{URL: "https://app.example/", Transport: slowApplication{}})
		if err != nil {
			t.Fatal(err)
		}
		for range maxForwards {
			f.slots <- struct{}{}
		}
		var running sync.WaitGroup
		running.Go(func() {
			time.Sleep(forwardTimeout - time.Second/2)
			<-f.slots
		})
		id, err := f.Authenticate(httptest.NewRequest(http.MethodGet, "/", nil))
		if failures, _ := f.down.Failures(); err != nil || id.User != "alice" || failures != 0 {
			t.Errorf("%+v, %v, %d failures", id, err, failures)
		}
		running.Wait()
	})
}
