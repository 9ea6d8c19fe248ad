//go:build !linux

package sse

// newTransport returns nil: on this system the goroutine transport serves every stream.
func newTransport(*Server) (transport, error) { return nil, nil }
