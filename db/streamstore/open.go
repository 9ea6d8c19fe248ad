package streamstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/pgherald/pgherald/db/rediscall"
)

// DefaultKey is the name of the keys if the URL says no other.
const DefaultKey = "pgherald"

// The time for an answer.
const answerTimeout = 5 * time.Second

// Store is a stream in Redis. It implements relay.Store, and is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	name   string
	place  string
	reader *rediscall.Reader
	scripts
}

// Check returns an error for a URL that Open does not take.
func Check(text string) error {
	if _, _, err := parse(text); err != nil {
		return fmt.Errorf("read the URL of the stream: %w", err)
	}
	return nil
}

// Open returns the store of a URL. It does not connect yet.
//
//	redis://user:password@host:6379/0?key=pgherald       one server; rediss with TLS
//	redis+cluster://host1:6379,host2:6379?key=pgherald   a cluster
//	redis+sentinel://host1,host2/0?master=name           servers behind Sentinel; it finds the present one
//
// A scheme of valkey means the same as redis.
func Open(text string) (*Store, error) {
	opts, name, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the stream: %w", err)
	}
	client := redis.NewUniversalClient(opts)
	return &Store{client: client, name: name, place: placeOf(opts, name), reader: rediscall.NewReader(client), scripts: newScripts()}, nil
}

// parse reads the URL of a store. Its errors do not show it, since it may have a password.
func parse(text string) (opts *redis.UniversalOptions, name string, err error) {
	opts, query, err := ParseURL(text)
	if err != nil {
		return nil, "", err
	}
	name = DefaultKey
	if query.Has("key") {
		name = query.Get("key")
		query.Del("key")
	}
	if name == "" || strings.ContainsAny(name, "{}") {
		return nil, "", errors.New("the key must have a name, without braces")
	}
	for unknown := range query {
		return nil, "", fmt.Errorf("the parameter %q is not known", unknown)
	}
	return opts, name, nil
}

// ParseURL returns the options for clients of a URL as Open has it, and the parameters that are not about the connection. Its errors do not
// show the URL, since it may have a password.
func ParseURL(text string) (opts *redis.UniversalOptions, query url.Values, err error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, nil, err
	}
	query = u.Query()
	scheme, kind, _ := strings.Cut(strings.Replace(u.Scheme, "valkey", "redis", 1), "+")
	opts = &redis.UniversalOptions{
		// A write whose answer was lost may have happened. A cluster's client repeats one in spite of this: it then finds another token than
		// that of the last write, and is refused as one that does not know the end of the stream.
		MaxRetries:  -1,
		DialTimeout: answerTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, ContextTimeoutEnabled: true, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}, // of a hosted Redis alone
	}
	single, err := redis.ParseURL(scheme + "://" + userOf(u) + firstHost(u.Host) + u.Path)
	if err != nil {
		return nil, nil, errors.New("it must be like redis://host:6379/0")
	}
	if opts.Addrs, err = addresses(u.Host, kind); err != nil {
		return nil, nil, err
	}
	opts.DB, opts.Username, opts.Password, opts.TLSConfig = single.DB, single.Username, single.Password, single.TLSConfig
	if opts.TLSConfig != nil && kind != "" {
		opts.TLSConfig.ServerName = "" // that of the first host: each server has its own
	}
	switch kind {
	case "":
	case "cluster":
		opts.IsClusterMode = true
		if opts.DB != 0 {
			return nil, nil, errors.New("a cluster has no database but 0")
		}
	case "sentinel":
		if opts.MasterName = query.Get("master"); opts.MasterName == "" {
			return nil, nil, errors.New("the name of the servers is missing: add ?master=name")
		}
		query.Del("master")
		opts.SentinelUsername, opts.SentinelPassword = query.Get("sentinel_user"), query.Get("sentinel_password")
		query.Del("sentinel_user")
		query.Del("sentinel_password")
	default:
		return nil, nil, fmt.Errorf("the scheme %q is not known", u.Scheme)
	}
	return opts, query, nil
}

// parseURL parses a URL that may have several hosts.
func parseURL(text string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || rest == "" {
		return nil, errors.New("it must be like redis://host:6379/0")
	}
	// url.Parse takes a comma in a host, but no port before it.
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse("redis://" + user + "host" + path)
	if err != nil {
		return nil, errors.New("it must be like redis://host:6379/0")
	}
	u.Scheme, u.Host = scheme, hosts
	return u, nil
}

func userOf(u *url.URL) string {
	if u.User == nil {
		return ""
	}
	return u.User.String() + "@"
}

func firstHost(hosts string) string {
	first, _, _ := strings.Cut(hosts, ",")
	return first
}

// addresses returns the hosts with their ports.
func addresses(hosts, kind string) (all []string, err error) {
	port := "6379"
	if kind == "sentinel" {
		port = "26379"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		u := url.URL{Host: host}
		if u.Port() == "" {
			host = strings.TrimSuffix(host, ":") + ":" + port
		} else if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return nil, errors.New("a port must be from 1 to 65535")
		}
		all = append(all, host)
	}
	return all, nil
}

// Client returns the client, for other keys.
func (s *Store) Client() redis.UniversalClient { return s.client }

// Key returns the name of a key in the same slot.
func (s *Store) Key(name string) string { return "{" + s.name + "}:" + name }

// Name returns the name that the keys have in common.
func (s *Store) Name() string { return s.name }

// Place returns the name of the keys and where they are, as the URL says it, without the password: key@host:6379/0.
func (s *Store) Place() string { return s.place }

func placeOf(opts *redis.UniversalOptions, name string) string {
	where := opts.MasterName
	if where == "" {
		where = strings.Join(slices.Sorted(slices.Values(opts.Addrs)), ",")
	}
	return name + "@" + where + "/" + strconv.Itoa(opts.DB)
}

// Ping connects.
func (s *Store) Ping(ctx context.Context) error {
	return rediscall.Explain("connect to the stream", s.client.Ping(ctx).Err())
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }

// keys returns the keys of the scripts.
func (s *Store) keys() []string { return []string{s.Key("log"), s.Key("state")} }
