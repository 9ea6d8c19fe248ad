package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// Minimum sizes of keys: shorter ones can be guessed or factored.
const (
	minSecret  = 32   // bytes
	minRSABits = 2048 // RFC 7518, section 3.3
)

// The signing methods for each kind of key.
var (
	methodsHMAC    = []string{"HS256", "HS384", "HS512"}
	methodsRSA     = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	methodsEd25519 = []string{"EdDSA"}
	// The method of each curve: RFC 7518, section 3.4.
	methodsECDSA = map[elliptic.Curve][]string{
		elliptic.P256(): {"ES256"}, elliptic.P384(): {"ES384"}, elliptic.P521(): {"ES512"},
	}
)

// verificationKey is a key with the signing methods for which it may be used.
type verificationKey struct {
	id      string // empty if it has none
	key     jwt.VerificationKey
	methods []string
}

// verifiers returns those of the keys that may have signed a token with this method.
func verifiers(keys []verificationKey, method string) (set jwt.VerificationKeySet) {
	for _, k := range keys {
		if slices.Contains(k.methods, method) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	return set
}

// loadKeys returns the keys of the options and the signing methods that they support.
func loadKeys(ctx context.Context, o Options) (keySource, []string, error) {
	given := 0
	for _, isGiven := range []bool{len(o.Secret) > 0, len(o.PEM) > 0, o.JWKS != ""} {
		if isGiven {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, nil, errors.New("check tokens: give one of a secret, public keys as PEM, or the URL of a JWKS")
	case o.JWKS != "":
		set, err := fetchKeySet(ctx, o)
		return set, slices.Concat(methodsRSA, []string{"ES256", "ES384", "ES512"}, methodsEd25519), err
	case len(o.PEM) > 0:
		return parsePEM(o.PEM)
	case len(o.Secret) < minSecret:
		return nil, nil, fmt.Errorf("check tokens: the secret has %d bytes: give one of at least %d random bytes", len(o.Secret), minSecret)
	}
	return fixedKeys{{key: o.Secret, methods: methodsHMAC}}, methodsHMAC, nil
}

// fixedKeys holds keys that do not change. The JWT library tries each that fits the token's method.
type fixedKeys []verificationKey

func (f fixedKeys) keysFor(_ context.Context, token *jwt.Token) (any, error) {
	return verifiers(f, token.Method.Alg()), nil
}

func (fixedKeys) run(context.Context) {}

// parsePEM parses a sequence of public keys and certificates.
func parsePEM(text []byte) (keySource, []string, error) {
	var keys fixedKeys
	var methods []string
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		key, err := parseBlock(block)
		if err != nil {
			return nil, nil, fmt.Errorf("read PEM block %d: %w", len(keys)+1, err)
		}
		supported, err := methodsFor(key)
		if err != nil {
			return nil, nil, fmt.Errorf("read PEM block %d: %w", len(keys)+1, err)
		}
		keys = append(keys, verificationKey{key: key, methods: supported})
		if !slices.Contains(methods, supported[0]) {
			methods = append(methods, supported...)
		}
	}
	if len(keys) == 0 {
		return nil, nil, errors.New("read PEM: there is no block in it such as -----BEGIN PUBLIC KEY-----")
	}
	return keys, methods, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if certificate.KeyUsage != 0 && certificate.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			return nil, errors.New("its key usage excludes digital signatures: give the certificate of the key that signs tokens")
		}
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("it is a %s: give the public key or a certificate, which suffice to verify tokens", block.Type)
}

// methodsFor returns the signing methods that a public key can verify.
func methodsFor(key any) ([]string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits is too short: give one of at least %d", bits, minRSABits)
		}
		return methodsRSA, nil
	case *ecdsa.PublicKey:
		if methods, ok := methodsECDSA[k.Curve]; ok {
			return methods, nil
		}
		return nil, errors.New("an ECDSA key of this curve cannot verify tokens: give one of P-256, P-384 or P-521")
	case ed25519.PublicKey:
		return methodsEd25519, nil
	}
	return nil, fmt.Errorf("a key of type %T cannot verify tokens: give an RSA, ECDSA or Ed25519 key", key)
}
