package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// Bounds of what a key must be, or signatures could be forged by trying.
const (
	minSecret  = 32   // bytes
	minRSABits = 2048 // RFC 7518, 3.3
)

// The methods for each kind of key.
var (
	methodsHS  = []string{"HS256", "HS384", "HS512"}
	methodsRSA = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	methodsEC  = []string{"ES256", "ES384", "ES512"}
	methodsEd  = []string{"EdDSA"}
)

// load returns the keys, and the methods that they are made for.
func load(ctx context.Context, o Options) (keys, []string, error) {
	given := 0
	for _, is := range []bool{len(o.Secret) > 0, len(o.PEM) > 0, o.JWKS != ""} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, nil, errors.New("check tokens: give one of a secret, public keys as PEM, or the URL of a JWKS")
	case o.JWKS != "":
		set, err := fetchSet(ctx, o)
		return set, concat(methodsRSA, methodsEC, methodsEd), err
	case len(o.PEM) > 0:
		return parsePEM(o.PEM)
	case len(o.Secret) < minSecret:
		return nil, nil, fmt.Errorf("check tokens: the secret has %d bytes: it must have at least %d, random ones", len(o.Secret), minSecret)
	}
	return fixed{o.Secret}, methodsHS, nil
}

func concat(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// fixed are keys that stay what they are. Which of them signed a token is found out by trying.
type fixed []jwt.VerificationKey

func (f fixed) keysOf(context.Context, *jwt.Token) (any, error) {
	return jwt.VerificationKeySet{Keys: f}, nil
}

func (fixed) run(context.Context) {}

// parsePEM reads public keys and certificates, one after the other.
func parsePEM(text []byte) (keys, []string, error) {
	var all fixed
	var methods []string
	seen := map[string]bool{}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		key, err := parseBlock(block)
		if err != nil {
			return nil, nil, fmt.Errorf("read PEM block %d: %w", len(all)+1, err)
		}
		can, err := methodsFor(key)
		if err != nil {
			return nil, nil, fmt.Errorf("read PEM block %d: %w", len(all)+1, err)
		}
		all = append(all, key)
		if !seen[can[0]] {
			seen[can[0]], methods = true, append(methods, can...)
		}
	}
	if len(all) == 0 {
		return nil, nil, errors.New("read PEM: there is no block in it such as -----BEGIN PUBLIC KEY-----")
	}
	return all, methods, nil
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
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("it is a %s: give the public key or a certificate, as who checks tokens needs no more", block.Type)
}

// methodsFor returns the methods that a public key is for.
func methodsFor(key any) ([]string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits is too short: it must have at least %d", bits, minRSABits)
		}
		return methodsRSA, nil
	case *ecdsa.PublicKey:
		return methodsEC, nil
	case ed25519.PublicKey:
		return methodsEd, nil
	}
	return nil, fmt.Errorf("a key of type %T cannot check tokens: RSA, ECDSA and Ed25519 keys can", key)
}
