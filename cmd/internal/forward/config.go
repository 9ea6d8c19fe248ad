package forward

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/pgherald/pgherald/triggers"
)

// Config says what to forward, and where. All fields without a default are required.
type Config struct {
	DatabaseURL string                        // it must not lead through a pooler in transaction mode
	LoadSpec    func() (triggers.Spec, error) // reads the present spec: called before each session
	Name        string                        // of the consumer
	To          *Target
	Secrets     []string            // of Standard Webhooks; several while one replaces another
	Filter      map[string][]string // parameters of a stream
	Start       string              // where a new consumer begins: now, oldest or a cursor
	// ContinueOnReset says what to do if the log no longer reaches back to the position: tell the receiver to load everything again, or stop.
	ContinueOnReset bool
	Batch           int // events in one request; with 1 a body is an object, otherwise an array
	Parallel        int // requests at the same time
	Attempts        int // that count, before an event is parked
	MaxParked       int
	Timeout         time.Duration // of a request
	Lease           time.Duration
	Poll            time.Duration // between two reads of the log without a wake-up
	Version         string
	Logger          *slog.Logger
	Metrics         *Metrics
}

// ParseSecrets reads the secrets of a text, separated by white space.
func ParseSecrets(text string) ([]string, error) {
	secrets := strings.Fields(text)
	for _, s := range secrets {
		// Standard Webhooks asks for 24 to 64 bytes; base64 has 4 characters for 3 of them.
		if n := len(strings.TrimPrefix(s, "whsec_")); n < 32 || n > 88 {
			return nil, errors.New("read the secret: it must have 24 to 64 bytes, as base64: generate one with openssl rand -base64 32")
		}
	}
	return secrets, nil
}
