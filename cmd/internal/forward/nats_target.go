package forward

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// maxToken is the length above which a value stands in a subject as its hash: a server ends the connection over a line above 4 KB.
const maxToken = 200

// natsOptions are what a URL says:
//
//	nats://user:password@host1:4222,host2:4222?subject=orders.{type}&creds=/etc/nats.creds
//
// With the scheme tls, the connection must have TLS.
type natsOptions struct {
	servers string // as nats.Connect wants them
	options []nats.Option
	subject string // with placeholders
}

// natsTarget reads the URL of a subject.
func natsTarget(text string) (*Target, error) {
	const form = "it must be like nats://host:4222?subject=name"
	scheme, rest, _ := strings.Cut(text, "://")
	authority, parameters, _ := strings.Cut(rest, "?")
	hosts, user, err := natsUser(strings.TrimSuffix(authority, "/"))
	if err != nil || (scheme != "nats" && scheme != "tls") || strings.ContainsAny(hosts, "/#@ ") || strings.Trim(hosts, ",") == "" {
		return nil, errors.New(form)
	}
	query, err := url.ParseQuery(parameters)
	if err != nil {
		return nil, errors.New(form)
	}
	o := natsOptions{servers: scheme + "://" + strings.ReplaceAll(hosts, ",", ","+scheme+"://"), subject: query.Get("subject"), options: user}
	if creds := query.Get("creds"); creds != "" {
		o.options = append(o.options, nats.UserCredentials(creds))
	}
	if scheme == "tls" {
		o.options = append(o.options, nats.Secure())
	}
	query.Del("subject")
	query.Del("creds")
	for unknown := range query {
		return nil, fmt.Errorf("the parameter %q is not known", unknown)
	}
	if err := checkSubject(o.subject); err != nil {
		return nil, err
	}
	return &Target{
		shown: scheme + "://" + hosts + "?subject=" + o.subject,
		open:  func(c *Config) (sink, error) { return newJetStream(c, o) },
	}, nil
}

// natsUser cuts the user, or a token, from the hosts.
func natsUser(authority string) (hosts string, of []nats.Option, err error) {
	i := strings.LastIndex(authority, "@")
	if i < 0 {
		return authority, nil, nil
	}
	u, err := url.Parse("nats://" + authority[:i+1] + "host")
	if err != nil || u.User == nil {
		return "", nil, errors.New("read the user")
	}
	password, hasPassword := u.User.Password()
	if !hasPassword {
		return authority[i+1:], []nats.Option{nats.Token(u.User.Username())}, nil
	}
	return authority[i+1:], []nats.Option{nats.UserInfo(u.User.Username(), password)}, nil
}

// checkSubject returns an error unless the subject is one to publish to, whatever its placeholders become.
func checkSubject(subject string) error {
	if subject == "" {
		return errors.New("the subject is missing: add ?subject=name, such as ?subject=orders.{type}")
	}
	filled := subjectOf(subject, &message{eventType: "x", collection: "x", key: "x"})
	switch {
	case strings.ContainsAny(filled, "{}"):
		return fmt.Errorf("the subject %q has a placeholder that is not known: use {type}, {collection} or {key}", subject)
	case strings.ContainsAny(filled, "*> \t\r\n") || len(filled) > maxToken:
		return fmt.Errorf("the subject %q has wildcards or spaces, or is above %d bytes", subject, maxToken)
	case strings.HasPrefix(filled, "$") || strings.HasPrefix(filled, "_INBOX"):
		return fmt.Errorf("the subject %q belongs to the server", subject)
	}
	for token := range strings.SplitSeq(filled, ".") {
		if token == "" {
			return fmt.Errorf("the subject %q has an empty part", subject)
		}
	}
	return nil
}

// subjectOf fills in the placeholders of a subject.
func subjectOf(subject string, m *message) string {
	if !strings.Contains(subject, "{") {
		return subject
	}
	return strings.NewReplacer("{type}", token(m.eventType), "{collection}", token(m.collection), "{key}", token(m.key)).Replace(subject)
}

// token makes one part of a subject of a value: bytes that are no letters, digits, - or _ as %XX. A value without any is _, and a long one its
// hash.
func token(value string) string {
	if value == "" {
		return "_"
	}
	if len(value) > maxToken {
		sum := sha256.Sum256([]byte(value))
		return "sha256-" + hex.EncodeToString(sum[:])
	}
	var b strings.Builder
	for _, c := range []byte(value) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
