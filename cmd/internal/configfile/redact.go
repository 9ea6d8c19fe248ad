package configfile

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// redact removes secrets from a value. kind is the flag's tag: "text" for a secret, "url" for a connection
// string, empty for a value without secrets.
func redact(kind, value string) string {
	switch kind {
	case "text":
		return Redacted
	case "url":
		return redactURL(value)
	}
	return value
}

// passwords finds passwords in keyword/value connection strings (host=h password='p').
var passwords = regexp.MustCompile(`(?i)\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)`)

// redactURL removes passwords from a URL or from a keyword/value connection string. A text that is neither
// is redacted as a whole.
func redactURL(text string) string {
	if !strings.Contains(text, "://") {
		if !strings.Contains(text, "=") {
			return Redacted
		}
		return passwords.ReplaceAllString(text, "${1}"+Redacted)
	}
	u, err := url.Parse(text)
	if err != nil {
		return Redacted
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), Redacted)
	} else if u.User != nil && (u.Scheme == "nats" || u.Scheme == "tls") { // it is a token of NATS
		u.User = url.User(Redacted)
	}
	query := u.Query()
	for name := range query {
		if strings.HasSuffix(strings.ToLower(name), "password") {
			query.Set(name, Redacted)
			u.RawQuery = query.Encode()
		}
	}
	return u.String()
}

// SecretsInArguments returns the names of the flags that a command line gives with a secret. Every user of the
// machine can read the arguments of a process, and only its owner its environment.
func (r *Resolver) SecretsInArguments(ctx *kong.Context) (names []string) {
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved && !slices.Contains(names, p.Flag.Name) && hasSecret(p.Flag.Tag.Get("secret"), ctx.FlagValue(p.Flag)) {
			names = append(names, p.Flag.Name)
		}
	}
	return names
}

// hasSecret reports whether a value contains what redact would remove or, of the kind "header", a credential.
func hasSecret(kind string, value any) bool {
	switch v := value.(type) {
	case string:
		return kind != "" && v != "" && redact(kind, v) != v
	case []string:
		return kind == "header" && slices.ContainsFunc(v, func(header string) bool {
			name, _, _ := strings.Cut(header, ":")
			return slices.Contains(credentials, strings.ToLower(strings.TrimSpace(name)))
		})
	}
	return false
}

// credentials are the headers that identify a client.
var credentials = []string{"authorization", "cookie", "proxy-authorization", "x-api-key"}
