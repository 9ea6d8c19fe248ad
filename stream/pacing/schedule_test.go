package pacing

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestScheduleFollowsTheFirstShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSchedule()
		first, second, idle := s.NewPassTime(), s.NewPassTime(), s.NewPassTime()
		is := func(when string, want time.Duration) {
			t.Helper()
			if got := s.Delay(time.Millisecond); got != want {
				t.Errorf("delay %s: got %v, want %v", when, got, want)
			}
		}
		is("without clients", 0)
		first.SetActive()
		is("with a new client", 0)
		first.Set(time.Now().Add(40 * time.Millisecond))
		is("with one shard", 39*time.Millisecond)
		second.Set(time.Now().Add(20 * time.Millisecond))
		is("with two shards", 19*time.Millisecond)
		second.SetActive()
		is("with another client", 19*time.Millisecond)
		idle.SetActive()
		is("with a new client of a third shard", 0)
		idle.SetIdle()
		s.AddUnpaced(1)
		is("with a stream that is not paced", 0)
		s.AddUnpaced(-1)
		second.SetIdle()
		is("after the second shard became idle", 39*time.Millisecond)
		time.Sleep(time.Hour)
		is("long after the pass", 0)
	})
}

func TestNilScheduleDelaysNothing(t *testing.T) {
	var s *Schedule
	if got := s.Delay(0); got != 0 {
		t.Errorf("delay: got %v, want 0", got)
	}
}
