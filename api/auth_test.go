package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pgherald/pgherald/api"
	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
)

var jwtSecret = []byte("0123456789abcdef0123456789abcdef")

// token returns a token of alice that is valid for an hour, with more claims.
func token(t testing.TB, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": "issuer", "aud": "pgherald", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, more)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(jwtSecret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newJWT(t *testing.T, change ...func(*auth.Options)) *auth.JWT {
	t.Helper()
	o := auth.Options{Secret: jwtSecret, Issuer: "issuer", Audience: "pgherald"}
	for _, c := range change {
		c(&o)
	}
	j, err := auth.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func withTokens(j auth.Authenticator) streamServerOptions {
	return streamServerOptions{api: func(o *apiOptions) { o.add(api.Auth{Authenticator: j, OperatorRole: "operator"}) }}
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// A stream announces when its token expires, and ends at that time, not before. The checker's clock stands still, so that
// the token is valid however long the test takes to open the stream.
func TestStreamEndsWithItsToken(t *testing.T) {
	began := time.Now()
	s := newStreamServer(t, withTokens(newJWT(t, func(o *auth.Options) { o.Now = func() time.Time { return began } })))
	end := began.Truncate(time.Second).Add(time.Second)
	l := s.open("", bearer(token(t, jwt.MapClaims{"exp": end.Unix()}))...)
	if block := l.readUntil(`"sync"`); !strings.Contains(block, `{"mode":"live","connection":"`) || !strings.Contains(block, `"expires":`+strconv.FormatInt(end.UnixMilli(), 10)) {
		t.Errorf("first event %s", block)
	}
	l.readToEnd()
	if time.Now().Before(end.Add(-time.Millisecond)) {
		t.Error("the stream ended before its token expired")
	}
	if !strings.Contains(l.received.String(), `data: {"type":"sync","data":{"mode":"expired"}`) || !strings.HasSuffix(l.received.String(), "\n\n") {
		t.Errorf("got %s", l.received.String())
	}
	s.logs.await(t, 1, "stream closed", "user=alice", "reason=expired")
	// A stream with a new token resumes.
	s.commit("b")
	s.awaitFeed(1)
	from := idOf(l.received.String())
	again := s.openSynced("?since="+from, bearer(token(t, nil))...)
	if again.readUntil(`"b"`); !strings.Contains(again.received.String(), `"mode":"resumed","events":1`) {
		t.Errorf("got %s", again.received.String())
	}
}

func TestInvalidTokens(t *testing.T) {
	s := newStreamServer(t, withTokens(newJWT(t)))
	for code, header := range map[string][]string{
		"token_required":  nil,
		"token_malformed": bearer("x"),
		"token_expired":   bearer(token(t, jwt.MapClaims{"exp": 1})),
		"token_audience":  bearer(token(t, jwt.MapClaims{"aud": "x"})),
		"origin":          {"Cookie", auth.Cookie + "=" + token(t, nil), "Origin", "https://evil.example"},
	} {
		response, body := s.request(http.MethodGet, "/api/events", header...)
		var p problem.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code != code || p.Status != response.StatusCode || response.StatusCode/100 != 4 {
			t.Errorf("%s: %d %s, %v", code, response.StatusCode, body, err)
		}
		if got := response.Header.Get("WWW-Authenticate"); (got == "Bearer") != (p.Status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", code, got)
		}
	}
	s.openSynced("", "Cookie", auth.Cookie+"="+token(t, nil), "Origin", s.web.URL)
	_, body := s.request(http.MethodGet, "/api/stats", bearer(token(t, jwt.MapClaims{"roles": []string{"operator"}}))...)
	if !strings.Contains(body, `"connectionsByUser":{"alice":1}`) {
		t.Errorf("stats %s", body)
	}
}

// No log contains a token or a part of one, whether the request succeeds or not.
func TestAbuseTokenInTheURLIsNotLogged(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		s := newStreamServer(t, withTokens(newJWT(t, func(o *auth.Options) { o.AllowURLToken = allowed })))
		good, expired := token(t, nil), token(t, jwt.MapClaims{"exp": 1})
		for _, target := range []string{
			"/api/events?nonsense=1&access_token=" + good,
			"/api/events?access_token=" + expired,
			"/api/events?access_token=" + good + ";x=%zz",
			"/api/events?access_token=" + good + "&access_token=" + expired,
			"/api/stats?access_token=" + good,
			"/nowhere?access_token=" + good,
		} {
			response, body := s.request(http.MethodGet, target)
			if response.StatusCode/100 != 4 {
				t.Errorf("%.40s: %d", target, response.StatusCode)
			}
			expectNoToken(t, body, good, expired)
		}
		if allowed {
			l := s.openSynced("?access_token=" + good)
			l.disconnect()
			s.logs.await(t, 1, "stream closed", "user=alice")
		}
		s.shutDown()
		expectNoToken(t, s.logs.String(), good, expired)
	}
}

func expectNoToken(t *testing.T, text string, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		for i, part := range strings.Split(token, ".") {
			if i > 0 && strings.Contains(text, part[:20]) {
				t.Errorf("part %d of a token is in %s", i, text)
			}
		}
	}
}

func TestTokenInTheURLWithoutAuth(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	s.expectProblem(http.StatusBadRequest, "has no effect", http.MethodGet, "/api/events?access_token=x")
}
