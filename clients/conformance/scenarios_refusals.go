package conformance

import (
	"net/http"
	"time"
)

const ms = time.Millisecond

// refusalScenarios test what a client does if there is no stream.
func refusalScenarios() []Scenario {
	all := []Scenario{
		{
			Name: "retry", Rule: "a client waits for the last retry line",
			Start: events,
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + "retry: 1500\n\n" + withID("c1", event(1, "1"))) },
				func(e *Exchange) { e.NotWithin(1500 * ms).After("c1").Send(resumed("c1") + end("c2")).Hold() },
			},
		},
		{
			Name: "no-response", Rule: "a client tries again if there is no response",
			Start: events,
			Want:  []string{isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Abort() },
				func(e *Exchange) { e.After("").Send(live("c0") + end("c1")).Hold() },
			},
		},
		{
			Name: "proxy-502", Rule: "a client tries again after a proxy's page with a 502, with its cursor",
			Start: events,
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + withID("c1", event(1, "1"))).Abort() },
				func(e *Exchange) { e.After("c1").Refuse(http.StatusBadGateway, "Content-Type", "text/html") },
				func(e *Exchange) { e.After("c1").Send(resumed("c1") + end("c2")).Hold() },
			},
		},
	}
	for name, status := range map[string]int{"busy-429": http.StatusTooManyRequests, "busy-503": http.StatusServiceUnavailable} {
		all = append(all, Scenario{
			Name: name, Rule: "a client waits for Retry-After, and then resumes",
			Start: events,
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + withID("c1", event(1, "1"))) },
				func(e *Exchange) { e.After("c1").Refuse(status, "Retry-After", "1") },
				func(e *Exchange) { e.After("c1").NotWithin(time.Second).Send(resumed("c1") + end("c2")).Hold() },
			},
		})
	}
	for name, status := range map[string]int{"stop-204": http.StatusNoContent, "stop-400": http.StatusBadRequest, "stop-403": http.StatusForbidden} {
		all = append(all, Scenario{
			Name: name, Rule: "a client gives up after a refusal that does not pass, and says so",
			Start: events,
			Want:  []string{gaveUp},
			Stream: []Step{
				func(e *Exchange) { e.Refuse(status) },
			},
		})
	}
	return append(all, Scenario{
		Name: "stop-html", Rule: "a client gives up if a 200 is no event stream, and says so",
		Start:  events,
		Want:   []string{gaveUp},
		Stream: []Step{func(e *Exchange) { e.Refuse(http.StatusOK, "Content-Type", "text/html") }},
	})
}
