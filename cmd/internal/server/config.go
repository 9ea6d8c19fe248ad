package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	"github.com/pgherald/pgherald/db"
	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/stream/pacing"
)

// Config holds the settings of a server. Start from DefaultConfig: the zero value is not valid.
type Config struct {
	// Source is the URL of the store from which a server without a database serves. Empty means that it has a database.
	Source   string
	Database Database
	Listen   Listen
	Tokens   Tokens
	Limits   Limits
	EventLog EventLog
	Tuning   Tuning
}

// Database says how to connect to the database, and what a server changes in it at start.
type Database struct {
	// URL leads to the database.
	URL string
	// ListenURL leads to the same database without a transaction-mode pooler in between: LISTEN, the
	// locks and the reads of the log need a session. Empty means URL.
	ListenURL string
	// ActivitiesURL leads to the same database as the role that the activities API uses. Empty means URL.
	ActivitiesURL string
	Watch
	// NoMigrate forbids the server to create or change tables. It does not start if they are out of date.
	NoMigrate bool
	// NoApply forbids the server to install triggers. It does not start if nothing of the spec is installed.
	NoApply bool
	// LockTimeout bounds how long a server tries to lock tables at its start to install triggers, in total.
	LockTimeout time.Duration
	// Wait bounds how long a server waits at its start for a database that is away. 0 means that it does not.
	Wait time.Duration
}

// WaitForever is the value of Database.Wait without a bound.
const WaitForever time.Duration = math.MaxInt64

// Listen says where a server listens, and whether it uses TLS and HTTP/2.
type Listen struct {
	// Addr is the address for clients, as host:port.
	Addr string
	// AdminAddr is the address for operators, as host:port. Empty means none.
	AdminAddr string
	// TLSCert and TLSKey are PEM files. Both or neither are set.
	TLSCert, TLSKey string
	// H2C adds HTTP/2 without TLS.
	H2C bool
	// AllowedHosts are the host names under which clients and operators reach the server; addresses and
	// localhost are always permitted. "*" permits every name. Empty permits every name to clients that need a
	// token or reach the server at another address than loopback, and none otherwise.
	AllowedHosts []string
}

// Tokens says how clients are authenticated, and which roles they need.
type Tokens struct {
	// Auth is "none", "jwt" or "forward".
	Auth string
	// URL is of the application that names the users, for "forward". AllowHTTP permits http to another host.
	URL       string
	AllowHTTP bool
	// ForwardHeaders are the headers of a request that the application receives. Empty means Cookie and Authorization.
	ForwardHeaders []string
	// Insecure permits an address other than loopback with Auth "none".
	Insecure bool
	// Secret is the secret that signs tokens (HS256, HS384, HS512). SecretFile is a file that contains it.
	// At most one of them may be set.
	Secret, SecretFile string
	// KeysFile contains public keys or certificates as PEM.
	KeysFile string
	// JWKS is the URL of a JSON Web Key Set.
	JWKS string
	// Issuer and Audience are the values that the claims iss and aud must have. Both are required for "jwt".
	Issuer, Audience string
	// Methods are the accepted signing methods. Empty means every method that fits the keys.
	Methods []string
	// Leeway is the tolerated difference between the issuer's clock and the server's.
	Leeway time.Duration
	// MaxLifetime is the longest time from iat to exp that a token may have. 0 means no limit.
	MaxLifetime time.Duration
	// RolesClaim and GrantsClaim name the claims that list a user's roles and grants.
	RolesClaim, GrantsClaim string
	// AllowURLToken accepts tokens in ?access_token= as well.
	AllowURLToken bool
	// WriteRole, PublishRole and OperatorRole are the roles that may change activities, publish events and
	// read statistics. With "jwt" and "forward", an empty role denies the operation to all users.
	WriteRole, PublishRole, OperatorRole string
}

// Limits bounds the streams and sockets that clients may open, and names the origins whose pages may use the API.
type Limits struct {
	// Connections is the maximum number of open streams. 0 means nine tenths of Sockets.
	Connections int
	// PerUser and PerAddress are the maximum numbers of open streams of one user and of one address (one /64
	// of IPv6). 0 means no limit.
	PerUser, PerAddress int
	// EventBytes is the size above which an event reaches clients without its data, in bytes.
	EventBytes int64
	// RequestsPerUser is the maximum number of requests of one kind (lists, writes, others) that one user may have
	// in progress, or one address without a user. 0 means no limit.
	RequestsPerUser int
	// Rate is the number of streams per second that one address may open. 0 means no limit.
	Rate float64
	// Requests is the maximum number of requests in progress, except those for streams. One address may have half
	// of them. 0 means no limit.
	Requests int
	// Sockets is the maximum number of clients' open sockets. 0 means the number of files that the process
	// may open, less 64.
	Sockets int
	// SocketsPerAddress is the maximum number of sockets of one address (one /64 of IPv6), without streams
	// over plain HTTP/1.1. 0 means half of Sockets. It does not apply to trusted proxies.
	SocketsPerAddress int
	// TrustedProxies are addresses or networks in CIDR notation.
	TrustedProxies []string
	// ForwardedHeader is the header in which the trusted proxies name the client.
	ForwardedHeader string
	// Origins are the other origins whose pages may use the API. "*" alone lets pages of every origin read;
	// "none" alone, or an empty list, denies all.
	Origins []string
	// Credentials lets those pages send cookies.
	Credentials bool
}

// EventLog bounds the log in the database. The server prunes events that are beyond either bound.
type EventLog struct {
	// RetainAge is how long events stay in the log, and so for how long a client may be disconnected and
	// still resume.
	RetainAge time.Duration
	// RetainBytes is the size of the log's events in bytes, without unused room in the files. 0 means no bound.
	RetainBytes int64
}

// Tuning holds settings whose defaults fit most deployments.
type Tuning struct {
	// Memory is the budget in bytes for the feed, catch-ups, filters and bodies. 0 means a share of what the
	// cgroup allows, or 512 MiB.
	Memory int64
	// FeedBytes is the memory for recent events in bytes: at most half of Memory.
	FeedBytes int64
	// Heartbeat is the time between two heartbeats on a stream.
	Heartbeat time.Duration
	// WriteTimeout is the time that a write to a client may take. After it, the server disconnects the client.
	WriteTimeout time.Duration
	// StaleLimit is the time without a read of the log after which streams end, if the server knows another
	// replica. 0 means never.
	StaleLimit time.Duration
	// Compress sends streams with gzip to the clients that accept it.
	Compress bool
	// ProbeInterval is the time between two notifications that the listener sends to itself.
	ProbeInterval time.Duration
	// TriggerCheckInterval is the time between two comparisons of the triggers with the spec.
	TriggerCheckInterval time.Duration
	// Drain is how long streams may take to end at shutdown.
	Drain time.Duration
}

// DefaultConfig returns the default settings, which are also the defaults of the flags of pgherald serve.
func DefaultConfig() Config {
	return Config{
		Database: Database{LockTimeout: 30 * time.Second, Wait: WaitForever},
		Listen:   Listen{Addr: "127.0.0.1:8080"},
		Tokens:   Tokens{Auth: "none", Leeway: 10 * time.Second, RolesClaim: "roles"},
		Limits:   Limits{Requests: 2048, RequestsPerUser: 2, EventBytes: eventlog.DefaultMaxEventBytes, ForwardedHeader: "X-Forwarded-For", Origins: []string{"none"}},
		EventLog: EventLog{
			RetainAge: 24 * time.Hour,
		},
		Tuning: Tuning{
			FeedBytes:            64 << 20,
			Heartbeat:            8 * time.Second,
			WriteTimeout:         30 * time.Second,
			StaleLimit:           30 * time.Second,
			ProbeInterval:        10 * time.Second,
			TriggerCheckInterval: time.Minute,
			Drain:                5 * time.Second,
		},
	}
}

// Validate returns an error that names the flag of each invalid setting. It reads no file and uses no
// network.
func (c Config) Validate() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"lock-timeout", c.Database.LockTimeout}, {"retain-age", c.EventLog.RetainAge}, {"heartbeat", c.Tuning.Heartbeat}, {"write-timeout", c.Tuning.WriteTimeout},
		{"probe-interval", c.Tuning.ProbeInterval}, {"trigger-check-interval", c.Tuning.TriggerCheckInterval},
		{"drain", c.Tuning.Drain},
	} {
		if d.value <= 0 {
			return fmt.Errorf("--%s must be more than 0", d.flag)
		}
	}
	if limit := c.Tuning.StaleLimit; limit != 0 && limit < pacing.StaleAfter {
		return fmt.Errorf("--stale-limit must be 0 or at least %v: clients learn only then that the log cannot be read", pacing.StaleAfter)
	}
	if c.Tuning.Heartbeat+c.Tuning.WriteTimeout > maxSilence {
		return fmt.Errorf("--heartbeat and --write-timeout must be at most %v together: "+
			"the system closes a connection after that time without a successful write", maxSilence)
	}
	if c.Database.Wait < 0 {
		return errors.New("--wait must be 0 or more")
	}
	return errors.Join(c.Tuning.validateMemory(), c.validateSource(), c.Limits.validate(), c.Listen.validate(), c.Tokens.validate())
}

// CheckFiles checks the address and the files that a valid configuration names. It returns an error if a
// server could not start with them. It makes no connection, so it does not check a JSON Web Key Set.
func (c Config) CheckFiles(ctx context.Context, logger *slog.Logger) error {
	var errs []error
	addr, err := net.ResolveTCPAddr("tcp", c.Listen.Addr)
	if err == nil {
		err = c.Tokens.validateAddress(addr)
	}
	errs = append(errs, err)
	if c.Source == "" {
		_, _, err := c.Database.Load()
		errs = append(errs, err)
	}
	if c.Tokens.JWKS == "" {
		_, err := c.Tokens.checker(ctx, c.Limits.origins(), nil, logger)
		errs = append(errs, err)
	}
	_, err = c.Listen.httpServer(newSockets(socketLimits{}, nil, logger), 0, logger)
	return errors.Join(append(errs, err)...)
}

// validate returns an error for a URL that PostgreSQL clients cannot parse.
func (d Database) validate() error {
	for _, u := range []struct{ flag, url string }{
		{"database-url", d.URL}, {"listen-database-url", d.ListenURL}, {"activities-database-url", d.ActivitiesURL},
	} {
		if u.url == "" {
			continue
		}
		if _, err := db.ParseSession(u.url, ""); err != nil {
			return fmt.Errorf("--%s: %w", u.flag, err)
		}
	}
	return d.Validate()
}
