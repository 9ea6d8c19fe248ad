package configfile

import (
	"net/url"
	"regexp"
	"strings"
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
	}
	query := u.Query()
	for name := range query {
		if lower := strings.ToLower(name); lower == "password" || lower == "sslpassword" {
			query.Set(name, Redacted)
			u.RawQuery = query.Encode()
		}
	}
	return u.String()
}
