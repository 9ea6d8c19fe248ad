package rediscall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Error is an error of a store. Its text may name hosts: it is for the log.
type Error struct {
	what string
	err  error
}

// Explain adds what was to be done, and advice. It returns nil for nil.
func Explain(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case redis.IsOOMError(err) || strings.Contains(err.Error(), "OOM command not allowed"): // Redis 6.2 has more before it
		what += ": the server has no memory left: raise its maxmemory, or lower --max-bytes of pgherald relay"
	case redis.IsPermissionError(err):
		what += ": give the user the rights of docs/edges.md"
	case strings.Contains(err.Error(), "WRONGTYPE "):
		what += ": another program has used the key: remove it, or give the stream another one"
	}
	return &Error{what, err}
}

// Error returns what was to be done, and why it could not be.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.what, e.err) }

// Unwrap returns the error of the client.
func (e *Error) Unwrap() error { return e.err }

// IsOutage reports whether the same may succeed later.
func (e *Error) IsOutage() bool { return IsOutage(e.err) }

// Public describes the error to every client: without hosts.
func (e *Error) Public() string {
	var reply redis.Error
	switch {
	case errors.As(e.err, &reply):
		code, _, _ := strings.Cut(reply.Error(), " ")
		return "the store of the edges answers " + code
	case errors.Is(e.err, context.DeadlineExceeded), isTimeout(e.err):
		return "the store of the edges does not answer in time"
	case IsOutage(e.err):
		return "the store of the edges cannot be reached"
	}
	return "the store of the edges holds something else"
}

// IsOutage reports whether the store may do at another time what it has refused with err: it cannot be reached, loads its data, is a
// replica, or has no connection or memory left. What only a person can change, such as a wrong password, is no outage.
func IsOutage(err error) bool {
	for _, passing := range []error{
		context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	for _, is := range []func(error) bool{
		redis.IsLoadingError, redis.IsReadOnlyError, redis.IsClusterDownError, redis.IsTryAgainError, redis.IsMasterDownError,
		isMaxClientsError, redis.IsOOMError, redis.IsNoReplicasError,
	} {
		if is(err) {
			return true
		}
	}
	for _, code := range []string{"BUSY ", "MISCONF ", "UNBLOCKED "} { // a slow script; a full disk; a switch to a replica
		if redis.HasErrorPrefix(err, code) {
			return true
		}
	}
	return err != nil && (isNetwork(err) || isWithoutServers(err))
}

// isMaxClientsError knows the answer of a server in a cluster, too, which the client does not: "max number of clients + cluster connections reached".
func isMaxClientsError(err error) bool {
	return err != nil && strings.Contains(err.Error(), "max number of clients")
}

// isNetwork reports whether a connection could not be opened, or broke.
func isNetwork(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op != "remote error" // an alert of TLS: a certificate is missing or wrong
	}
	_, ok := errors.AsType[net.Error](err) // names and addresses, timeouts
	return ok
}

// isWithoutServers recognizes what the client says of a cluster or of Sentinels of which none answers: these errors have no type.
func isWithoutServers(err error) bool {
	return strings.Contains(err.Error(), "redis: cluster has no nodes") || strings.Contains(err.Error(), "redis: all sentinels specified")
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
