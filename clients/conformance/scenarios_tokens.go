package conformance

import (
	"fmt"
	"net/http"
	"time"
)

// leased begins a stream whose token expires after d.
func leased(cursor, mode string, d time.Duration) string {
	now := time.Now()
	data := fmt.Sprintf(`{"mode":%q,"connection":"conn/1","expires":%d}`, mode, now.Add(d).UnixMilli())
	return quick + withID(cursor, fmt.Sprintf(`data: {"type":"sync","data":%s,"timestamp":%d}`+"\n\n", data, now.UnixMilli()))
}

const expired = `data: {"type":"sync","data":{"mode":"expired"},"timestamp":1764000000000}` + "\n\n"

// tokenScenarios test rejected, expiring and renewed tokens.
func tokenScenarios() []Scenario {
	return []Scenario{
		{
			Name: "token-rejected", Rule: "after a 401 a client tries once with another token, at once",
			Start: withTokens,
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.WithToken(1).Refuse(http.StatusUnauthorized) },
				func(e *Exchange) {
					e.WithToken(2).Send(leased("c0", "live", time.Hour) + withID("c1", event(1, "1"))).Abort()
				},
				func(e *Exchange) { e.WithToken(3).After("c1").Refuse(http.StatusUnauthorized) },
				func(e *Exchange) { e.WithToken(4).After("c1").Send(resumed("c1") + end("c2")).Hold() },
			},
		},
		{
			Name: "token-rejected-twice", Rule: "after two 401 in a row a client gives up",
			Start: withTokens,
			Want:  []string{gaveUp},
			Stream: []Step{
				func(e *Exchange) { e.WithToken(1).Refuse(http.StatusUnauthorized) },
				func(e *Exchange) { e.WithToken(2).Refuse(http.StatusUnauthorized) },
			},
		},
		{
			Name: "token-expired", Rule: "after expired a client connects with another token and its cursor",
			Start: withTokens,
			Want:  []string{"1 1", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.WithToken(1).Send(leased("c0", "live", time.Hour) + event(1, "1") + expired)
				},
				func(e *Exchange) {
					e.WithToken(2).After("c0").Send(leased("c0", "resumed", time.Hour) + event(1, "1") + withID("c1", event(2, "2")) + end("c2")).Hold()
				},
			},
		},
		{
			Name: "token-renewed", Rule: "a client renews its token before it expires, on the open stream, again and again",
			Start: withTokens,
			Want:  []string{isEnd},
			Other: func(e *Exchange) {
				n := e.count("renewals") + 1
				e.WithToken(n + 1).isPost("events/conn%2F1/token")
				e.JSON(fmt.Sprintf(`{"expires":%d}`, time.Now().Add(2*time.Second).UnixMilli()))
				if n == 2 {
					close(e.signal("renewed"))
				}
			},
			Stream: []Step{func(e *Exchange) {
				e.WithToken(1).Send(leased("c0", "live", 2*time.Second))
				e.await("renewed")
				e.Send(end("c1")).Hold()
			}},
		},
		{
			Name: "token-renewal-404", Rule: "if no server has the stream, a client connects again with another token",
			Start: withTokens,
			Want:  []string{isEnd},
			Other: func(e *Exchange) { e.isPost("events/conn%2F1/token").Refuse(http.StatusNotFound) },
			Stream: []Step{
				func(e *Exchange) { e.WithToken(1).Send(leased("c0", "live", time.Second)).Hold() },
				func(e *Exchange) {
					e.WithToken(3).After("c0").Send(leased("c0", "resumed", time.Hour) + end("c1")).Hold()
				},
			},
		},
		{
			Name: "token-other-rights", Rule: "if the new token has other rights, the stream lasts until it expires, or the client opens another",
			Start: withTokens,
			Want:  []string{"1 1", isEnd},
			Other: func(e *Exchange) {
				e.isPost("events/conn%2F1/token").Refuse(http.StatusConflict)
				close(e.signal("refused"))
			},
			Stream: []Step{
				func(e *Exchange) {
					e.WithToken(1).Send(leased("c0", "live", 2*time.Second))
					e.await("refused")
					e.Send(withID("c1", event(1, "1")) + expired)
				},
				func(e *Exchange) {
					if e.Cursor() != "c0" {
						e.After("c1").Send(leased("c1", "resumed", time.Hour) + end("c2")).Hold()
						return
					}
					e.Send(leased("c0", "resumed", time.Hour) + withID("c1", event(1, "1")) + end("c2")).Hold()
				},
			},
		},
	}
}
