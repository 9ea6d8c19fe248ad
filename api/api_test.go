package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/streamtest"
)

func TestNewRejectsIncompleteSettings(t *testing.T) {
	feed := stream.NewFeed(streamtest.NewLog("k3f9"), stream.FeedOptions{})
	complete := api.Config{Feed: feed, Ready: feed.Err}
	for want, o := range map[string]apiOptions{
		"Config.Feed and Config.Ready": {Config: api.Config{Ready: feed.Err}},
		"Config.Ready are required":    {Config: api.Config{Feed: feed}},
		"Auth.Authenticator":           {Config: complete, features: []api.Option{api.Auth{}}},
		"Publishing.Publisher":         {Config: complete, features: []api.Option{api.Publishing{}}},
		"origins: ":                    {Config: complete, features: []api.Option{api.Origins{Credentials: true}}},
	} {
		if _, err := api.New(o.Config, o.features...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// An application's routes get the identity of the client and require the role that they name.
func TestRoutesOfAnApplication(t *testing.T) {
	route := func(path string, access api.Access) api.Route {
		return api.Route{Path: path, Methods: []string{http.MethodGet}, Access: access,
			Handle: func(w http.ResponseWriter, _ *http.Request, id auth.Identity) { _, _ = w.Write([]byte(id.User)) }}
	}
	routes := api.Routes{route("/any", api.AnyIdentity()), route("/nurse", api.RequireRole("nurse")), route("/unset", api.RequireRole(""))}
	users := fakeAuthenticator{"ann": {User: "ann", Roles: []string{"", "nurse"}}, "bob": {User: "bob"}}
	withAuth := newAPI(t, apiOptions{features: []api.Option{routes, api.Auth{Authenticator: users}}}).Handler()
	without := newAPI(t, apiOptions{features: []api.Option{routes}}).Handler()
	for _, test := range []struct {
		handler    http.Handler
		user, path string
		status     int
		body       string
	}{
		{withAuth, "ann", "/any", 200, "ann"},
		{withAuth, "ann", "/nurse", 200, "ann"},
		{withAuth, "ann", "/unset", 403, ""},
		{withAuth, "bob", "/any", 200, "bob"},
		{withAuth, "bob", "/nurse", 403, ""},
		{withAuth, "eve", "/any", 401, ""},
		{without, "", "/any", 200, ""},
		{without, "", "/nurse", 200, ""},
		{without, "", "/unset", 200, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		r.Header.Set("Test-User", test.user)
		got := httptest.NewRecorder()
		test.handler.ServeHTTP(got, r)
		if got.Code != test.status || test.status == 200 && got.Body.String() != test.body {
			t.Errorf("user %q, path %s: %d %s, want %d %s", test.user, test.path, got.Code, got.Body, test.status, test.body)
		}
	}
}
