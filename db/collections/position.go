package collections

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/pgherald/pgherald/stream/listing"
)

// maxPosition bounds the text of a position: it goes into a URL, of which proxies accept 8 kB by default. A key, which an
// index bounds at 2,700 bytes, fits.
const maxPosition = 6 << 10

// checksumLen is the length of the checksum of a position in bytes.
const checksumLen = 8

// A position is where a page ends: the values of the order of its last row, nil for null. Its text is opaque to
// clients, so that its content can change. It grants nothing: what follows a position is checked as on the first page.

var errMalformedPosition = errors.New("malformed position")

// formatPosition returns the text of a position in the list that the scope describes. It returns "" if it would be too
// long.
func formatPosition(scope string, values []*string) string {
	content, err := json.Marshal(values)
	if err != nil || len(content) > maxPosition {
		return ""
	}
	text := base64.RawURLEncoding.EncodeToString(append(checksum(scope, content), content...))
	if len(text) > maxPosition {
		return ""
	}
	return text
}

// parsePosition parses a position with n values. It fails for one of another list.
func parsePosition(scope, text string, n int) ([]*string, error) {
	if len(text) > maxPosition || strings.ContainsAny(text, "\r\n") {
		return nil, errMalformedPosition
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < checksumLen || string(b[:checksumLen]) != string(checksum(scope, b[checksumLen:])) {
		return nil, errMalformedPosition
	}
	var values []*string
	if err := json.Unmarshal(b[checksumLen:], &values); err != nil || len(values) != n {
		return nil, errMalformedPosition
	}
	for _, v := range values {
		if v != nil && strings.ContainsRune(*v, 0) { // PostgreSQL's text has none
			return nil, errMalformedPosition
		}
	}
	return values, nil
}

// scope describes a list: positions of another collection, filter or order do not fit.
func (l *list) scope(q listing.Query) string {
	return l.Name + "\x00" + q.Where.Canonical() + "\x00" + l.order(q.Order).SQL()
}

func checksum(scope string, content []byte) []byte {
	sum := sha256.Sum256(append([]byte(scope+"\x00"), content...))
	return sum[:checksumLen]
}
