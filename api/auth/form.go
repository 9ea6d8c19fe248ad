package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxKeyID bounds the name of a key in a token's header, in bytes.
const maxKeyID = 256

// tokenTypes are the values of the header typ that an access token may have, in lower case. Tokens of
// other types have the same issuer, keys and claims, and are not meant to give access: logout+jwt, dpop+jwt.
var tokenTypes = []string{"jwt", "at+jwt", "application/jwt", "application/at+jwt"}

// checkForm checks what the JWT library leaves open: that every reader of the token reads the same header
// and claims in it, and that the header asks for nothing that this package does not do.
func checkForm(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return malformed()
	}
	for _, part := range parts[:2] {
		text, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || !isUnambiguous(text) {
			return malformed()
		}
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var header map[string]any
	if json.Unmarshal(text, &header) != nil {
		return malformed()
	}
	return checkHeader(header)
}

// checkHeader rejects a header that changes the meaning of the token. crit lists extensions that the
// reader must know, and b64 is one; zip and enc belong to encrypted tokens, and cty to tokens in tokens.
func checkHeader(header map[string]any) error {
	for _, name := range []string{"crit", "zip", "enc"} {
		if _, ok := header[name]; ok {
			return unsupportedHeader(name)
		}
	}
	if encoded, ok := header["b64"]; ok && encoded != true {
		return unsupportedHeader("b64")
	}
	if kid, ok := header["kid"]; ok {
		if text, isText := kid.(string); !isText || len(text) > maxKeyID {
			return unsupportedHeader("kid")
		}
	}
	if kind, ok := header["typ"]; ok {
		text, _ := kind.(string)
		if !slices.Contains(tokenTypes, strings.ToLower(text)) {
			return unsupportedHeader("typ")
		}
	}
	if content, ok := header["cty"]; ok {
		text, isText := content.(string)
		if text = strings.ToLower(text); !isText || text == "jwt" || strings.HasSuffix(text, "/jwt") {
			return unsupportedHeader("cty")
		}
	}
	return nil
}

// isUnambiguous reports whether text is one JSON object in UTF-8 in which no object has two members of the
// same name. Of two such members one reader takes the first and another the last.
func isUnambiguous(text []byte) bool {
	if !utf8.Valid(text) || !json.Valid(text) || !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var open []map[string]bool // the names of each open object, nil for an array
	expectsName := false
	for {
		t, err := d.Token()
		if err != nil {
			return len(open) == 0 // the end, since the text is valid
		}
		switch v := t.(type) {
		case json.Delim:
			switch v {
			case '{':
				open = append(open, make(map[string]bool))
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			expectsName = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if expectsName {
				names := open[len(open)-1]
				if names[v] {
					return false
				}
				names[v] = true
				expectsName = false
				continue
			}
		}
		expectsName = open[len(open)-1] != nil
	}
}
