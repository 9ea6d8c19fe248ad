package request

import (
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for want, at := range map[string]time.Time{
		`"2026-11-24T00:02:03.000Z"`:    time.Date(2026, 11, 24, 1, 2, 3, 0, zone),
		`"2026-11-24T01:02:03.999Z"`:    time.Date(2026, 11, 24, 1, 2, 3, 999_999_000, time.UTC),
		`"+012026-11-24T01:02:03.000Z"`: time.Date(12026, 11, 24, 1, 2, 3, 0, time.UTC),
		`"-000044-03-15T12:00:00.000Z"`: time.Date(-44, 3, 15, 12, 0, 0, 0, time.UTC),
	} {
		got, err := Time{at}.MarshalJSON()
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
