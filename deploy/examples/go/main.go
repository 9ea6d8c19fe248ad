// Command go is an application with sessions of its own, in front of pgherald: it serves a page, says whose session a
// request has, and passes /api/ on, so that browsers see one origin.
//
//	pgherald serve --auth=forward --auth-url=http://127.0.0.1:3000/session --operator-role=operator
//	go run ./deploy/examples/go --pgherald=http://127.0.0.1:8080
//
// Then open http://127.0.0.1:3000/. The names are believed without a password: this shows sessions, not logins.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// cookieName is that of a session on plain HTTP. With TLS, call it __Host-session and set Secure.
const cookieName = "session"

func main() {
	address := flag.String("addr", "127.0.0.1:3000", "address for browsers")
	pgherald := flag.String("pgherald", "http://127.0.0.1:8080", "URL of pgherald")
	flag.Parse()
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(*address, *pgherald, logger); err != nil {
		logger.Error("ended", "error", err)
		os.Exit(1)
	}
}

func run(address, pgherald string, logger *slog.Logger) error {
	target, err := url.Parse(pgherald)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	a := &application{pgherald: target, secret: rand.Text(), users: make(map[string]string), logger: logger}
	logger.Info("listening", "url", "http://"+listener.Addr().String())
	server := &http.Server{Handler: a.routes(), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// application knows who is logged in.
type application struct {
	pgherald *url.URL
	secret   string // of the application itself, when it asks pgherald to end streams
	logger   *slog.Logger

	mu    sync.Mutex
	users map[string]string // by session
}

func (a *application) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page)
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("GET /session", a.session)
	mux.Handle("/api/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(a.pgherald)
		r.Out.Host = r.In.Host // pgherald compares it with Origin
		r.SetXForwarded()
	}})
	// A page of another site cannot log a visitor in or out.
	return http.NewCrossOriginProtection().Handler(mux)
}

// session answers pgherald: whose session is it, and for how long does that hold?
func (a *application) session(w http.ResponseWriter, r *http.Request) {
	answer := map[string]any{"sub": a.user(r), "roles": []string{"nurse"}}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+a.secret)) == 1 {
		answer = map[string]any{"sub": "application", "roles": []string{"operator"}}
	}
	w.Header().Set("Content-Type", "application/json")
	if answer["sub"] == "" {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"login": "/login"})
		return
	}
	w.Header().Set("Cache-Control", "private, max-age=300")
	_ = json.NewEncoder(w).Encode(answer)
}

// user returns the user of a session, "" without one.
func (a *application) user(r *http.Request) string {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[cookie.Value]
}

func (a *application) login(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("user")
	if name == "" || len(name) > 100 {
		http.Error(w, "give a name", http.StatusBadRequest)
		return
	}
	session := rand.Text()
	a.mu.Lock()
	a.users[session] = name
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: session, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout ends the session, and then the user's streams: pgherald would notice only when the answer about it is old.
func (a *application) logout(w http.ResponseWriter, r *http.Request) {
	user := a.user(r)
	if cookie, err := r.Cookie(cookieName); err == nil {
		a.mu.Lock()
		delete(a.users, cookie.Value)
		a.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	if err := a.disconnect(r.Context(), user); err != nil {
		a.logger.Error("streams not ended", "user", user, "error", err)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *application) disconnect(ctx context.Context, user string) error {
	if user == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]string{"user": user})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.pgherald.JoinPath("/api/disconnect").String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("pgherald answers %s", response.Status)
	}
	return nil
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, `<!doctype html><meta charset="utf-8"><title>Sessions</title>
<form method="post" action="/login"><input name="user" placeholder="name" required><button>Log in</button></form>
<form method="post" action="/logout"><button>Log out</button></form>
<pre id="events"></pre>
<script>
  new EventSource("/api/events").onmessage = (message) => { document.getElementById("events").textContent += message.data + "\n"; };
</script>`)
}
