//go:build !linux

package main

import "errors"

// benchCmd says why it is not there.
type benchCmd struct{}

// Run refuses.
func (benchCmd) Run(*app) error {
	return errors.New("measure pgherald: it needs Linux, where CPU time and memory are read from /proc")
}

func (*app) bench() struct{} { return struct{}{} }
