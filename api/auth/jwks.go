package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/MicahParks/jwkset"
)

// maxKeySet bounds a JWKS, in bytes.
const maxKeySet = 1 << 20

// checkURL returns an error for a URL that is not https, except on this host: an attacker on the network
// could replace the keys.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return errors.New("it is no URL such as https://issuer.example/.well-known/jwks.json")
	}
	if u.Scheme == "https" || u.Scheme == "http" && IsLocal(u) {
		return nil
	}
	return fmt.Errorf("%s is not https: give an https URL, so that the keys cannot be replaced on the way", u.Redacted())
}

// IsLocal reports whether a URL names this host: no attacker is on the way to it.
func IsLocal(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return checkURL(r.URL.String())
}

// fetchJWKS requests the JWKS and returns its keys.
func fetchJWKS(ctx context.Context, client *http.Client, address string) ([]verificationKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("%s is larger than %d bytes", request.URL.Redacted(), maxKeySet)
	}
	return parseJWKS(body)
}

// parseJWKS returns the keys that can verify tokens. It ignores the others, as RFC 7517 requires for
// unknown types. It also ignores symmetric keys, since a published key is not secret.
func parseJWKS(body []byte) ([]verificationKey, error) {
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &published); err != nil {
		return nil, fmt.Errorf("read JWKS: %w", err)
	}
	var usable []verificationKey
	for _, raw := range published.Keys {
		if key, ok := parseJWK(raw); ok {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		return nil, fmt.Errorf("read JWKS: none of its %d keys can verify tokens: publish an RSA, ECDSA or Ed25519 key for signatures", len(published.Keys))
	}
	return usable, nil
}

// parseJWK returns a key of a JWKS. It returns false if the key, its use, its operations or its algorithm
// are not for verifying signatures.
func parseJWK(raw json.RawMessage) (verificationKey, bool) {
	var m jwkset.JWKMarshal
	if !isUnambiguous(raw) || json.Unmarshal(raw, &m) != nil {
		return verificationKey{}, false
	}
	var named struct { // an empty list of operations permits none, and jwkset does not tell it from no list
		Use        *string   `json:"use"`
		Operations *[]string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &named) != nil || named.Use != nil && *named.Use != jwkset.UseSig.String() ||
		named.Operations != nil && !slices.Contains(*named.Operations, jwkset.KeyOpsVerify.String()) {
		return verificationKey{}, false
	}
	key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return verificationKey{}, false
	}
	methods, err := methodsFor(key.Key())
	if alg := m.ALG.String(); alg != "" {
		methods = slices.DeleteFunc(slices.Clone(methods), func(method string) bool { return method != alg })
	}
	return verificationKey{id: m.KID, key: key.Key(), methods: methods}, err == nil && len(methods) > 0
}
