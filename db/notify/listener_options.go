package notify

import (
	"log/slog"
	"time"
)

// ListenerOptions are a listener's times. Zero values mean the defaults.
type ListenerOptions struct {
	// ProbeInterval is how often the listener sends a notification to itself; 10 s if 0. A
	// connection that is dead without having been closed is noticed after at most the sum of
	// this and ProbeTimeout.
	ProbeInterval time.Duration
	// ProbeTimeout is how long such a notification, and each step of connecting, may take;
	// 5 s if 0.
	ProbeTimeout time.Duration
	// MaxBackoff bounds the wait between attempts to connect; 5 s if 0.
	MaxBackoff time.Duration
	// Control is called with what comes on ControlChannel; nil if nobody wants to know. It must not
	// wait, nor believe what it is told: every role of the database can send it.
	Control func(payload string)
	// Logger is told when the listener goes up and down, and why.
	Logger *slog.Logger
}

func (o ListenerOptions) withDefaults() ListenerOptions {
	if o.ProbeInterval <= 0 {
		o.ProbeInterval = 10 * time.Second
	}
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = 5 * time.Second
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 5 * time.Second
	}
	if o.Control == nil {
		o.Control = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
