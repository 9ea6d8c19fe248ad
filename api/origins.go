package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// Origins are the pages of other origins that may use the API.
type Origins struct {
	// Allowed are origins such as https://app.example.com, which may read and write; "*" alone is every
	// origin, which may read. Empty is none.
	Allowed []string
	// Credentials lets those pages send the browser's cookies along. It needs origins by name.
	Credentials bool
}

// Check says what is wrong with the origins.
func (o Origins) Check() error {
	if slices.Contains(o.Allowed, "*") {
		if len(o.Allowed) > 1 {
			return errors.New("origins: * is every origin: name it alone, or name origins")
		}
		if o.Credentials {
			return errors.New("origins: with credentials, name the origins: * would let every page act in its visitors' names")
		}
		return nil
	}
	if o.Credentials && len(o.Allowed) == 0 {
		return errors.New("origins: credentials are for pages of other origins, and none is allowed")
	}
	for _, origin := range o.Allowed {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != origin || strings.Contains(origin, "*") {
			return fmt.Errorf("origins: %q is no origin: give a scheme and a host, such as https://app.example.com", origin)
		}
	}
	return nil
}

func (o Origins) every() bool { return len(o.Allowed) == 1 && o.Allowed[0] == "*" }

// guard decides what pages of other origins may do. Requests that are not a browser's are not
// concerned. The origins must have been checked.
func (o Origins) guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	deny := "pages of another origin may read here and change nothing"
	read := cors.Options{
		AllowedOrigins:   o.Allowed,
		AllowedMethods:   []string{http.MethodGet, http.MethodHead},
		AllowedHeaders:   []string{"Authorization", "Last-Event-ID", "Cache-Control"},
		ExposedHeaders:   []string{cursorHeader, "Retry-After"},
		AllowCredentials: o.Credentials,
		MaxAge:           600,
	}
	if len(o.Allowed) == 0 { // to rs/cors, none would be all
		read.AllowOriginFunc = func(string) bool { return false }
	}
	if !o.every() {
		deny = "pages of this origin may change nothing here: the server allows it to those that it is told of"
		read.AllowedMethods = append(read.AllowedMethods, http.MethodPost, http.MethodPut, http.MethodDelete)
		read.AllowedHeaders = append(read.AllowedHeaders, "Content-Type")
		for _, origin := range o.Allowed {
			_ = protection.AddTrustedOrigin(origin) // Check has seen that it is one
		}
	}
	protection.SetDenyHandler(problemHandler(http.StatusForbidden, deny))
	return cors.New(read).Handler(protection.Handler(next))
}
