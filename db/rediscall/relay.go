package rediscall

// NoRelayError says that the store lacks what the relay writes, or confirms. It may come.
type NoRelayError struct{ text string }

// NoRelay returns the error of what the relay has not written.
func NoRelay(text string) error { return &NoRelayError{text} }

// Error says what is missing, and what to do.
func (e *NoRelayError) Error() string { return e.text + ": start pgherald relay with the same store" }

// IsOutage returns true.
func (*NoRelayError) IsOutage() bool { return true }

// Public returns the text, which names no host.
func (e *NoRelayError) Public() string { return e.text }
