//go:build !linux

package sse

// newEngine returns no engine: on this system a goroutine serves each stream.
func newEngine(*Server) (engine, error) { return nil, nil }
