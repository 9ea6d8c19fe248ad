package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

// Streams that are read in another process than the test: many readers would delay what the test measures.
const (
	childAddress = "PGHERALD_E2E_READ_ADDRESS"
	childPath    = "PGHERALD_E2E_READ_PATH"
	childReaders = "PGHERALD_E2E_READERS"
	childEvents  = "PGHERALD_E2E_READ_EVENTS"
)

// readInChild starts a process that opens so many streams, and returns a function that waits for its end. Each stream
// must have so many events before one of the type end.
func readInChild(ctx context.Context, t *testing.T, address, path string, readers, events int) (wait func()) {
	t.Helper()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childAddress+"="+address, childPath+"="+path,
		childReaders+"="+strconv.Itoa(readers), childEvents+"="+strconv.Itoa(events))
	var output bytes.Buffer
	child.Stdout, child.Stderr = &output, &output
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := child.Wait(); err != nil {
			t.Errorf("read in another process: %v\n%s", err, output.Bytes())
		}
	}
}

// readAsChild does what readInChild asks for, if this process is its child. It ends the process if it fails.
func readAsChild() bool {
	address := os.Getenv(childAddress)
	if address == "" {
		return false
	}
	readers, _ := strconv.Atoi(os.Getenv(childReaders))
	events, _ := strconv.Atoi(os.Getenv(childEvents))
	errs := make([]error, readers)
	var reading sync.WaitGroup
	for i := range readers {
		reading.Go(func() { errs[i] = readUntilEnd(address, os.Getenv(childPath), events) })
	}
	reading.Wait()
	if err := errors.Join(errs...); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

func readUntilEnd(address, path string, events int) error {
	c, err := net.Dial("tcp", address) //nolint:noctx // the test kills this process
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address); err != nil {
		return err
	}
	in, n := bufio.NewReaderSize(c, 64<<10), 0
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("read a stream: it ended after %d events", n)
		case err != nil:
			return fmt.Errorf("read a stream: %w", err)
		case !bytes.HasPrefix(line, []byte(`data: {"id":`)):
		case !bytes.Contains(line[:min(len(line), 200)], []byte(`"type":"end"`)):
			n++
		case n != events:
			return fmt.Errorf("read a stream: %d events, want %d", n, events)
		default:
			return nil
		}
	}
}
