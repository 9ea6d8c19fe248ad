package main

import (
	"fmt"
	"time"

	"github.com/pgherald/pgherald/cmd/internal/configfile"
	"github.com/pgherald/pgherald/cmd/internal/server"
)

// waitTime is a time to wait, written as 30s or forever.
type waitTime time.Duration

const forever = "forever"

// UnmarshalText parses a time.
func (t *waitTime) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case forever:
		*t = waitTime(server.WaitForever)
	case "0":
		*t = 0
	default:
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a time to wait: write a time such as 30s, 0 or %s", text, forever)
		}
		*t = waitTime(d)
	}
	return nil
}

// String returns the text that UnmarshalText parses.
func (t waitTime) String() string {
	if time.Duration(t) == server.WaitForever {
		return forever
	}
	return configfile.FormatDuration(time.Duration(t))
}
