package auth

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// maxAnswersBytes bounds the memory of remembered answers.
	maxAnswersBytes = 16 << 20
	// answerBytes is the memory of an answer without its texts.
	answerBytes = 512
)

type answerKey = [sha256.Size]byte

// answers remembers the application's answers by the hash of the credentials, and lets requests with the same credentials
// share one question. Beyond its memory it drops the answer that was not used for the longest time.
type answers struct {
	mu      sync.Mutex // guards the fields below
	most    int        // bytes
	bytes   int
	byKey   map[answerKey]*list.Element
	used    *list.List // of *remembered, the last used first
	flights map[answerKey]*flight
	forgets int // calls of forget
}

type remembered struct {
	key answerKey
	answer
	bytes int
}

// flight is a question that is under way.
type flight struct {
	target string
	began  time.Time
	done   chan struct{} // closed once answer is set
	answer answer
}

func newAnswers(most int) *answers {
	return &answers{most: most, byKey: make(map[answerKey]*list.Element), used: list.New(), flights: make(map[answerKey]*flight)}
}

// find returns an answer to a question that began at since or later: a remembered one, that of another request, or that of
// ask. The error is that of ctx.
func (s *answers) find(ctx context.Context, q question, now, since time.Time, ask func() answer) (a answer, cached bool, err error) {
	s.mu.Lock()
	if a, ok := s.get(q.key, now, since); ok {
		s.mu.Unlock()
		return a, true, nil
	}
	if f, ok := s.flights[q.key]; ok && !f.began.Before(since) {
		s.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return answer{}, false, ctx.Err()
		}
		if !f.answer.varies || f.target == q.target() {
			return f.answer, false, nil
		}
		return ask(), false, nil
	}
	f := &flight{target: q.target(), began: now, done: make(chan struct{}), answer: answer{err: unavailable(0, errPanic).err}}
	s.flights[q.key] = f
	forgets := s.forgets
	s.mu.Unlock()
	defer s.land(q.key, f, forgets)
	f.answer = ask()
	return f.answer, false, nil
}

// land remembers the answer of a flight, unless something was forgotten meanwhile: the answer may be from before. What is
// remembered already stays if it is newer, or if the flight brought no answer.
func (s *answers) land(key answerKey, f *flight, forgets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(f.done)
	if s.flights[key] == f {
		delete(s.flights, key)
	}
	a := f.answer
	if e := s.byKey[key]; e != nil {
		if a.isUnavailable() || e.Value.(*remembered).at.After(a.at) {
			return
		}
		s.remove(e)
	}
	if a.until.After(a.at) && forgets == s.forgets {
		s.add(&remembered{key: key, answer: a, bytes: sizeOf(a)})
	}
}

// get returns a remembered answer that holds now. The caller holds mu.
func (s *answers) get(key answerKey, now, since time.Time) (answer, bool) {
	e := s.byKey[key]
	if e == nil {
		return answer{}, false
	}
	r := e.Value.(*remembered)
	if !now.Before(r.until) {
		s.remove(e)
		return answer{}, false
	}
	s.used.MoveToFront(e)
	return r.answer, !r.at.Before(since)
}

// add remembers an answer. The caller holds mu.
func (s *answers) add(r *remembered) {
	s.byKey[r.key] = s.used.PushFront(r)
	s.bytes += r.bytes
	for s.bytes > s.most {
		s.remove(s.used.Back())
	}
}

// remove forgets an answer; nil does nothing. The caller holds mu.
func (s *answers) remove(e *list.Element) {
	if e == nil {
		return
	}
	r := s.used.Remove(e).(*remembered)
	delete(s.byKey, r.key)
	s.bytes -= r.bytes
}

// forget forgets the answers about identities that match.
func (s *answers) forget(matches func(Identity) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets++
	s.flights = make(map[answerKey]*flight) // requests from now on ask anew
	for e := s.used.Front(); e != nil; {
		next := e.Next()
		if matches(e.Value.(*remembered).id) {
			s.remove(e)
		}
		e = next
	}
}

func sizeOf(a answer) int {
	n := answerBytes + len(a.id.User) + len(a.id.TokenID)
	for _, names := range [][]string{a.id.Roles, a.id.Grants} {
		for _, name := range names {
			n += 16 + len(name)
		}
	}
	if e, ok := a.err.(*Error); ok { //nolint:errorlint // a refusal is one
		n += len(e.Application)
	}
	return n
}
