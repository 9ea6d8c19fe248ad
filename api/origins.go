package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/pgherald/pgherald/api/browser"
	"github.com/pgherald/pgherald/api/request"
)

// Origins is the option that allows pages of other origins to use the API. Without it, none may.
type Origins struct {
	// Allowed lists the origins whose pages may read and write, such as https://app.example.com. "*" alone allows every
	// origin to read. An empty list allows no other origin.
	Allowed []string
	// Credentials lets those pages send the browser's cookies. It requires a list of origins.
	Credentials bool
}

func (o Origins) addTo(f *features) error {
	f.origins = o
	return o.Check()
}

// Check returns an error if the origins are invalid or contradict each other.
func (o Origins) Check() error {
	if slices.Contains(o.Allowed, "*") {
		if len(o.Allowed) > 1 {
			return errors.New("origins: * allows every origin: give it alone, or list origins without it")
		}
		if o.Credentials {
			return errors.New("origins: with credentials, list the origins: * would let every page act for its visitors")
		}
		return nil
	}
	if o.Credentials && len(o.Allowed) == 0 {
		return errors.New("origins: credentials have no effect without an allowed origin: list the origins")
	}
	for _, origin := range o.Allowed {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != origin || strings.Contains(origin, "*") {
			return fmt.Errorf("origins: %q is not an origin: give a scheme and a host, such as https://app.example.com", origin)
		}
	}
	return nil
}

func (o Origins) allowsAll() bool { return len(o.Allowed) == 1 && o.Allowed[0] == "*" }

// protect returns next with these origins applied. They affect browsers only, since other clients send no Origin header.
// The origins must be valid.
func (o Origins) protect(next http.Handler) http.Handler {
	options := cors.Options{
		AllowedOrigins:   o.Allowed,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead},
		AllowedHeaders:   []string{"Authorization", "Last-Event-ID", "Cache-Control"},
		ExposedHeaders:   []string{request.CursorHeader, "Retry-After"},
		AllowCredentials: o.Credentials,
		MaxAge:           600, // seconds
	}
	if len(o.Allowed) == 0 { // rs/cors would treat an empty list as all origins
		options.AllowOriginFunc = func(string) bool { return false }
	}
	if o.allowsAll() {
		return cors.New(options).Handler(browser.NewForeignPages().Refuse(next, isWrite, "pages of other origins may read here, not write"))
	}
	options.AllowedMethods = append(options.AllowedMethods, http.MethodPost, http.MethodPut, http.MethodDelete)
	options.AllowedHeaders = append(options.AllowedHeaders, "Content-Type")
	isCovered := func(r *http.Request) bool { return isWrite(r) || strings.HasPrefix(r.URL.Path, "/api/") }
	return cors.New(options).Handler(browser.NewForeignPages(o.Allowed...).Refuse(next, isCovered,
		"pages of this origin may not use the API: the operator has to list the origin in --cors-origins"))
}

func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}
