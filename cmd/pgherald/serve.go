package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pgherald/pgherald/cmd/internal/configfile"
	"github.com/pgherald/pgherald/cmd/internal/doctor"
	"github.com/pgherald/pgherald/cmd/internal/server"
)

// serverFlags hold the settings of a server, in the groups of --help. The names of the flags are also the keys
// of a config file.
type serverFlags struct {
	configFlags
	Database serveDatabaseFlags `embed:"" group:"database"`
	Listen   listenFlags        `embed:"" group:"listening"`
	Tokens   tokenFlags         `embed:"" group:"tokens"`
	Limits   limitFlags         `embed:"" group:"limits"`
	EventLog eventLogFlags      `embed:"" group:"log"`
	Tuning   tuningFlags        `embed:"" group:"tuning"`
}

// serveCmd runs a server.
type serveCmd struct{ serverFlags }

// Run serves until a signal arrives.
func (c *serveCmd) Run(a *app) error {
	config := c.config()
	if config.Source != "" {
		a.logRedis()
	}
	s, err := server.New(a.ctx, config, server.Options{Logger: a.logger, Level: a.level, Examine: doctor.Examine})
	if err != nil {
		return err
	}
	return s.Run(a.ctx)
}

type serveDatabaseFlags struct {
	DatabaseURL string `secret:"url" env:"DATABASE_URL" placeholder:"URL" help:"The database, as postgres://user@host:5432/name. Required without --source. Other users can read a command line: with a password, use the variable or the file of --config."`
	Source      string `secret:"url" env:"PGHERALD_SOURCE" placeholder:"URL" help:"In place of a database, the stream store of pgherald relay: redis://host:6379/0?key=pgherald, rediss:// with TLS, redis+cluster://host1,host2 or redis+sentinel://host1,host2/0?master=name. The server is an edge."`
	specFlags
	ListenDatabaseURL     string   `secret:"url" env:"PGHERALD_LISTEN_DATABASE_URL" placeholder:"URL" help:"The same database without a transaction-mode pooler in between, for LISTEN and for reads of the log. Default: --database-url."`
	ActivitiesDatabaseURL string   `secret:"url" env:"PGHERALD_ACTIVITIES_DATABASE_URL" placeholder:"URL" help:"The same database as the role that the activities API uses, for policies of row-level security. Default: --database-url."`
	NoMigrate             bool     `env:"PGHERALD_NO_MIGRATE" help:"Do not create or change tables. The server does not start if they are out of date."`
	Wait                  waitTime `default:"forever" env:"PGHERALD_WAIT" placeholder:"TIME" help:"How long to wait at the start for a database that is away: a time or forever (default ${default}). With 0, the server ends with an error."`
	NoApply               bool     `env:"PGHERALD_NO_APPLY" help:"Do not install triggers. The server does not start if nothing of the spec is installed."`
	lockFlags
}

type listenFlags struct {
	Addr         string   `default:"${default_addr}" env:"PGHERALD_ADDR" placeholder:"ADDRESS" help:"Address for clients (default ${default})."`
	AdminAddr    string   `env:"PGHERALD_ADMIN_ADDR" placeholder:"ADDRESS" help:"Address for operators: /metrics, /debug/pprof/ and /log-level. It requires no token: keep it on loopback or a private network. Default: none."`
	TLSCert      string   `type:"path" env:"PGHERALD_TLS_CERT" placeholder:"FILE" help:"Certificate chain as PEM, for HTTPS with HTTP/2. The file may be replaced while the server runs."`
	TLSKey       string   `type:"path" env:"PGHERALD_TLS_KEY" placeholder:"FILE" help:"Private key of the certificate, as PEM."`
	H2C          bool     `name:"h2c" env:"PGHERALD_H2C" help:"Speak HTTP/2 without TLS too, for a proxy that does."`
	AllowedHosts []string `env:"PGHERALD_ALLOWED_HOSTS" placeholder:"NAME" help:"Host names under which browsers may reach --addr and --admin-addr, besides addresses and localhost; * permits all. Default: with --auth=none on loopback and on --admin-addr none, otherwise all."`
}

type tokenFlags struct {
	Auth           string        `enum:"none,jwt,forward" default:"${default_auth}" env:"PGHERALD_AUTH" help:"How clients authenticate (${enum}): none is for loopback, jwt requires a token, forward asks your application."`
	AuthURL        string        `name:"auth-url" secret:"url" env:"PGHERALD_AUTH_URL" placeholder:"URL" help:"URL of your application that says whose session a request has, with --auth=forward."`
	AuthHeaders    []string      `name:"auth-forward-headers" env:"PGHERALD_AUTH_FORWARD_HEADERS" placeholder:"NAME" help:"Headers of a request that the application receives. Default: cookie and authorization."`
	AuthAllowHTTP  bool          `name:"auth-allow-http" env:"PGHERALD_AUTH_ALLOW_HTTP" help:"Permit an http:// --auth-url on another host: only in a network that you trust."`
	Insecure       bool          `env:"PGHERALD_INSECURE" help:"Serve on an address other than loopback without tokens, behind a proxy that authenticates clients."`
	JWTSecret      string        `name:"jwt-secret" secret:"text" env:"PGHERALD_JWT_SECRET" placeholder:"TEXT" help:"Secret that signs tokens (HS256, HS384, HS512), at least 32 bytes. Other users can read a command line: use the variable, the file of --config, or --jwt-secret-file."`
	JWTSecretFile  string        `name:"jwt-secret-file" type:"existingfile" env:"PGHERALD_JWT_SECRET_FILE" placeholder:"FILE" help:"File that contains the secret. A line break at its end is ignored."`
	JWTKeys        string        `name:"jwt-keys" type:"existingfile" env:"PGHERALD_JWT_KEYS" placeholder:"FILE" help:"Public keys or certificates of the issuer as PEM: RSA (RS, PS), ECDSA (ES), Ed25519 (EdDSA)."`
	JWKS           string        `name:"jwt-jwks" secret:"url" env:"PGHERALD_JWT_JWKS" placeholder:"URL" help:"URL of the issuer's JSON Web Key Set. The server reads it every 10 minutes, and when a token names an unknown key."`
	JWTIssuer      string        `name:"jwt-issuer" env:"PGHERALD_JWT_ISSUER" placeholder:"TEXT" help:"Required value of the claim iss."`
	JWTAudience    string        `name:"jwt-audience" env:"PGHERALD_JWT_AUDIENCE" placeholder:"TEXT" help:"Value that the claim aud must be or contain."`
	JWTMethods     []string      `name:"jwt-methods" env:"PGHERALD_JWT_METHODS" placeholder:"NAME" help:"Accepted signing methods, such as RS256. Default: all that fit the keys."`
	JWTLeeway      time.Duration `name:"jwt-leeway" default:"${default_jwt_leeway}" env:"PGHERALD_JWT_LEEWAY" placeholder:"TIME" help:"Tolerated difference between the issuer's clock and the server's (default ${default})."`
	JWTMaxLifetime time.Duration `name:"jwt-max-lifetime" default:"0s" env:"PGHERALD_JWT_MAX_LIFETIME" placeholder:"TIME" help:"Longest time from iat to exp that a token may have; also for how long the server keeps a revocation without an end. 0 means no limit."`
	RolesClaim     string        `default:"${default_roles_claim}" env:"PGHERALD_ROLES_CLAIM" placeholder:"CLAIM" help:"Claim that lists a user's roles (default ${default}); realm_access.roles means a field of an object."`
	GrantsClaim    string        `env:"PGHERALD_GRANTS_CLAIM" placeholder:"CLAIM" help:"Claim that lists a user's grants, which audiences are matched against. Default: user:SUB and role:ROLE."`
	AllowURLToken  bool          `name:"allow-url-token" env:"PGHERALD_ALLOW_URL_TOKEN" help:"Accept tokens in ?access_token= too. Proxies write URLs to their logs."`
	WriteRole      string        `env:"PGHERALD_WRITE_ROLE" placeholder:"ROLE" help:"Role that may change activities with --auth=jwt or forward. Unset denies all users."`
	PublishRole    string        `env:"PGHERALD_PUBLISH_ROLE" placeholder:"ROLE" help:"Role that may publish events with --auth=jwt or forward. Unset denies all users."`
	OperatorRole   string        `env:"PGHERALD_OPERATOR_ROLE" placeholder:"ROLE" help:"Role that may read /api/stats and /api/operations, revoke tokens and end streams, with --auth=jwt or forward. Unset denies all users."`
}

type limitFlags struct {
	MaxConnections           int      `default:"0" env:"PGHERALD_MAX_CONNECTIONS" placeholder:"N" help:"Open streams; 0 means nine tenths of --max-sockets."`
	MaxRequestsPerUser       int      `default:"${default_max_requests_per_user}" env:"PGHERALD_MAX_REQUESTS_PER_USER" placeholder:"N" help:"Requests of one kind (lists, writes, others) that one user, or one address without a user, may have in progress (default ${default}); 0 means no limit."`
	MaxConnectionsPerUser    int      `default:"0" env:"PGHERALD_MAX_CONNECTIONS_PER_USER" placeholder:"N" help:"Open streams of one user; 0 means no limit."`
	MaxConnectionsPerAddress int      `default:"0" env:"PGHERALD_MAX_CONNECTIONS_PER_ADDRESS" placeholder:"N" help:"Open streams of one address, or of one /64 of IPv6; 0 means no limit. Behind a proxy, set --trusted-proxies."`
	MaxEventBytes            byteSize `default:"${default_max_event_bytes}" env:"PGHERALD_MAX_EVENT_BYTES" placeholder:"SIZE" help:"Size of type, key, audience and data above which an event reaches clients without its data (default ${default})."`
	ConnectionRate           float64  `default:"0" env:"PGHERALD_CONNECTION_RATE" placeholder:"N" help:"New streams of one address per second; 0 means no limit."`
	MaxRequests              int      `default:"${default_max_requests}" env:"PGHERALD_MAX_REQUESTS" placeholder:"N" help:"Requests in progress, except streams (default ${default}); one address may have half of them. 0 means no limit."`
	MaxSockets               int      `default:"0" env:"PGHERALD_MAX_SOCKETS" placeholder:"N" help:"Open sockets of clients; 0 means the files that the process may open, less 64. At the limit, a new one replaces the one that has been without a request for the longest time."`
	MaxSocketsPerAddress     int      `default:"0" env:"PGHERALD_MAX_SOCKETS_PER_ADDRESS" placeholder:"N" help:"Open sockets of one address, or of one /64 of IPv6, without streams over plain HTTP/1.1; 0 means half of --max-sockets. Does not apply to --trusted-proxies."`
	TrustedProxies           []string `env:"PGHERALD_TRUSTED_PROXIES" placeholder:"CIDR" help:"Addresses of proxies whose header names the client, such as 10.0.0.0/8,::1. Default: none."`
	ForwardedHeader          string   `enum:"X-Forwarded-For,Forwarded" default:"${default_forwarded_header}" env:"PGHERALD_FORWARDED_HEADER" placeholder:"NAME" help:"Header in which trusted proxies name the client (${enum}). They must set it themselves."`
	CORSOrigins              []string `default:"${default_cors_origins}" env:"PGHERALD_CORS_ORIGINS" placeholder:"ORIGIN" help:"Other origins whose pages may read and write, such as https://app.example.com. * lets pages of all origins read; none denies all (default)."`
	CORSCredentials          bool     `env:"PGHERALD_CORS_CREDENTIALS" help:"Let pages of the origins that --cors-origins names send cookies."`
}

type eventLogFlags struct {
	RetainAge   time.Duration `default:"${default_retain_age}" env:"PGHERALD_RETAIN_AGE" placeholder:"TIME" help:"Age at which events leave the log: how long a client may be away and still resume (default ${default})."`
	RetainBytes byteSize      `default:"${default_retain_bytes}" env:"PGHERALD_RETAIN_BYTES" placeholder:"SIZE" help:"Size of all events above which the oldest leave the log; 0 means that only age counts."`
}

type tuningFlags struct {
	Memory               byteSize      `default:"0" env:"PGHERALD_MEMORY" placeholder:"SIZE" help:"Budget for recent events, catch-ups, filters and bodies; 0 means three quarters of the cgroup's limit, or 512MiB without one."`
	FeedBytes            byteSize      `default:"${default_feed_bytes}" env:"PGHERALD_FEED_BYTES" placeholder:"SIZE" help:"Memory for recent events, at most half of --memory (default ${default})."`
	Heartbeat            time.Duration `default:"${default_heartbeat}" env:"PGHERALD_HEARTBEAT" placeholder:"TIME" help:"Time between two heartbeats on a stream (default ${default})."`
	WriteTimeout         time.Duration `default:"${default_write_timeout}" env:"PGHERALD_WRITE_TIMEOUT" placeholder:"TIME" help:"Time that a client may take to accept a write before the server disconnects it (default ${default})."`
	StaleLimit           time.Duration `default:"${default_stale_limit}" env:"PGHERALD_STALE_LIMIT" placeholder:"TIME" help:"Time without a read of the log after which streams end, so that their clients try another replica if there is one (default ${default}); 0 means never."`
	Compress             bool          `env:"PGHERALD_COMPRESS" help:"Send streams with gzip to the clients that accept it: public events are compressed once for all of them."`
	ProbeInterval        time.Duration `default:"${default_probe_interval}" env:"PGHERALD_PROBE_INTERVAL" placeholder:"TIME" help:"Time between two notifications that the listener sends to itself (default ${default})."`
	TriggerCheckInterval time.Duration `default:"${default_trigger_check_interval}" env:"PGHERALD_TRIGGER_CHECK_INTERVAL" placeholder:"TIME" help:"Time between two comparisons of the triggers with the spec (default ${default})."`
	Drain                time.Duration `default:"${default_drain}" env:"PGHERALD_DRAIN" placeholder:"TIME" help:"Time that streams may take to end at shutdown (default ${default})."`
}

// defaults returns the values of the variables in the tags above. All defaults come from
// server.DefaultConfig.
func defaults() map[string]string {
	d := server.DefaultConfig()
	return map[string]string{
		"default_addr":                   d.Listen.Addr,
		"default_lock_timeout":           configfile.FormatDuration(d.Database.LockTimeout),
		"default_auth":                   d.Tokens.Auth,
		"default_jwt_leeway":             configfile.FormatDuration(d.Tokens.Leeway),
		"default_roles_claim":            d.Tokens.RolesClaim,
		"default_max_requests_per_user":  strconv.Itoa(d.Limits.RequestsPerUser),
		"default_max_event_bytes":        byteSize(d.Limits.EventBytes).String(),
		"default_max_requests":           strconv.Itoa(d.Limits.Requests),
		"default_forwarded_header":       d.Limits.ForwardedHeader,
		"default_cors_origins":           strings.Join(d.Limits.Origins, ","),
		"default_retain_age":             configfile.FormatDuration(d.EventLog.RetainAge),
		"default_retain_bytes":           byteSize(d.EventLog.RetainBytes).String(),
		"default_feed_bytes":             byteSize(d.Tuning.FeedBytes).String(),
		"default_heartbeat":              configfile.FormatDuration(d.Tuning.Heartbeat),
		"default_write_timeout":          configfile.FormatDuration(d.Tuning.WriteTimeout),
		"default_stale_limit":            configfile.FormatDuration(d.Tuning.StaleLimit),
		"default_probe_interval":         configfile.FormatDuration(d.Tuning.ProbeInterval),
		"default_trigger_check_interval": configfile.FormatDuration(d.Tuning.TriggerCheckInterval),
		"default_drain":                  configfile.FormatDuration(d.Tuning.Drain),
	}
}

// withDefaults gives the flags whose default is the name of one of defaults, such as ${default_addr}, its value. As variables of
// kong, which each flag reads all of, they would take half of the time of a short command.
func withDefaults() kong.Option {
	values := defaults()
	return kong.PostBuild(func(k *kong.Kong) error {
		return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
			if flag, ok := node.(*kong.Flag); ok && strings.HasPrefix(flag.Default, "${") {
				if value, ok := values[strings.Trim(flag.Default, "${}")]; ok { // kong refuses what remains
					flag.Default = value
				}
			}
			return next(nil)
		})
	})
}

// errNoDatabase is the error of a command line that does not say where the events come from.
var errNoDatabase = errors.New("missing flags: --database-url=URL: set DATABASE_URL, the flag, or database-url in the file of --config; an edge has --source=URL instead")

// Validate returns an error for invalid settings. kong calls it.
func (c *serverFlags) Validate() error {
	if c.Database.DatabaseURL == "" && c.Database.Source == "" {
		return errNoDatabase
	}
	return c.config().Validate()
}

// config converts the flags to a server.Config.
func (c *serverFlags) config() server.Config {
	return server.Config{
		Source: c.Database.Source,
		Database: server.Database{
			URL: c.Database.DatabaseURL, ListenURL: c.Database.ListenDatabaseURL, ActivitiesURL: c.Database.ActivitiesDatabaseURL,
			Watch: c.Database.watch(), NoMigrate: c.Database.NoMigrate, NoApply: c.Database.NoApply,
			LockTimeout: c.Database.LockTimeout, Wait: time.Duration(c.Database.Wait),
		},
		Listen: server.Listen{
			Addr: c.Listen.Addr, AdminAddr: c.Listen.AdminAddr, TLSCert: c.Listen.TLSCert, TLSKey: c.Listen.TLSKey, H2C: c.Listen.H2C,
			AllowedHosts: c.Listen.AllowedHosts,
		},
		Tokens: server.Tokens{
			Auth: c.Tokens.Auth, Insecure: c.Tokens.Insecure,
			URL: c.Tokens.AuthURL, AllowHTTP: c.Tokens.AuthAllowHTTP, ForwardHeaders: c.Tokens.AuthHeaders,
			Secret: c.Tokens.JWTSecret, SecretFile: c.Tokens.JWTSecretFile, KeysFile: c.Tokens.JWTKeys, JWKS: c.Tokens.JWKS,
			Issuer: c.Tokens.JWTIssuer, Audience: c.Tokens.JWTAudience, Methods: c.Tokens.JWTMethods, Leeway: c.Tokens.JWTLeeway, MaxLifetime: c.Tokens.JWTMaxLifetime,
			RolesClaim: c.Tokens.RolesClaim, GrantsClaim: c.Tokens.GrantsClaim, AllowURLToken: c.Tokens.AllowURLToken,
			WriteRole: c.Tokens.WriteRole, PublishRole: c.Tokens.PublishRole, OperatorRole: c.Tokens.OperatorRole,
		},
		Limits: server.Limits{
			Connections: c.Limits.MaxConnections, PerUser: c.Limits.MaxConnectionsPerUser, RequestsPerUser: c.Limits.MaxRequestsPerUser, PerAddress: c.Limits.MaxConnectionsPerAddress,
			EventBytes: int64(c.Limits.MaxEventBytes),
			Rate:       c.Limits.ConnectionRate, Requests: c.Limits.MaxRequests, Sockets: c.Limits.MaxSockets, SocketsPerAddress: c.Limits.MaxSocketsPerAddress,
			TrustedProxies: c.Limits.TrustedProxies, ForwardedHeader: c.Limits.ForwardedHeader,
			Origins: c.Limits.CORSOrigins, Credentials: c.Limits.CORSCredentials,
		},
		EventLog: server.EventLog{RetainAge: c.EventLog.RetainAge, RetainBytes: int64(c.EventLog.RetainBytes)},
		Tuning: server.Tuning{
			Memory: int64(c.Tuning.Memory), FeedBytes: int64(c.Tuning.FeedBytes), Heartbeat: c.Tuning.Heartbeat, WriteTimeout: c.Tuning.WriteTimeout,
			StaleLimit: c.Tuning.StaleLimit, Compress: c.Tuning.Compress, ProbeInterval: c.Tuning.ProbeInterval, TriggerCheckInterval: c.Tuning.TriggerCheckInterval, Drain: c.Tuning.Drain,
		},
	}
}
