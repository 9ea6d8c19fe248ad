package conformance

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// pages is how events are requested without a stream.
var pages = Start{Open: "events", Since: "c0", Transport: "poll"}

// pageScenarios test clients that ask for pages instead of a stream.
func pageScenarios() []Scenario {
	return []Scenario{
		{
			Name: "pages", Rule: "a client asks for the next page at once if there is more, and otherwise lets the server wait",
			Start: pages,
			Want:  []string{"1 1", "2 2", "3 3", "4 4", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("c0").Page("c2", true, "", event(1, "1"), event(2, "2")) },
				func(e *Exchange) { e.AsPage(false).After("c2").Page("c3", false, "", event(3, "3")) },
				func(e *Exchange) { e.AsPage(true).After("c3").Page("c4", false, "") },
				func(e *Exchange) { e.AsPage(true).After("c4").Page("c5", false, "", event(4, "4")) },
				func(e *Exchange) { e.AsPage(true).After("c5").Page("c6", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-from-now", Rule: "the first page without a cursor is empty and says where to begin",
			Start: Start{Open: "events", Transport: "poll"},
			Want:  []string{isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("").Page("c0", false, `{"mode":"live"}`) },
				func(e *Exchange) { e.AsPage(true).After("c0").Page("c1", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-reset", Rule: "after a reset the ids before it mean nothing, and its cursor counts",
			Start: pages,
			Want:  []string{"1 1", "reset pruned", `1 "other"`, isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("c0").Page("c1", true, "", event(1, "1")) },
				func(e *Exchange) { e.AsPage(false).After("c1").Page("x0", true, `{"mode":"reset","reason":"pruned"}`) },
				func(e *Exchange) {
					e.AsPage(false).After("x0").Page("x1", false, "", event(1, `"other"`), event(999, `"end"`))
				},
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-repeats", Rule: "after repeats, events of earlier pages may come again",
			Start: pages,
			Want:  []string{"1 1", "2 2", "3 3", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("c0").Page("c2", true, "", event(1, "1"), event(2, "2")) },
				func(e *Exchange) {
					e.After("c2").Page("c3", true, `{"mode":"resumed","repeats":true}`, event(2, "2"), event(3, "3"))
				},
				func(e *Exchange) { e.After("c3").Page("c4", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-cut", Rule: "a page that was cut is requested again, and its events are shown once",
			Start: pages,
			Want:  []string{"1 1", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("c0").Page("c1", true, "", event(1, "1")) },
				func(e *Exchange) {
					text := e.After("c1").page("c2", true, "", event(2, "2"))
					e.w.Header().Set("Content-Type", "application/json")
					_, _ = e.w.Write([]byte(text[:len(text)-3]))
					_ = http.NewResponseController(e.w).Flush()
					e.Abort()
				},
				func(e *Exchange) { e.AsPage(false).After("c1").Page("c2", true, "", event(2, "2")) },
				func(e *Exchange) { e.After("c2").Page("c3", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-stale", Rule: "stale pages are shown, and a page without a state is fresh again",
			Start: pages,
			Want:  []string{"1 1", "stale", "fresh", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("c0").Page("c1", true, "", event(1, "1")) },
				func(e *Exchange) {
					e.After("c1").Page("c1", false, `{"mode":"stale","since":"2026-01-02T03:04:05.678Z"}`)
				},
				func(e *Exchange) { e.AsPage(true).After("c1").Page("c2", true, "", event(2, "2")) },
				func(e *Exchange) { e.After("c2").Page("c3", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-drain", Rule: "a server that drains ends a page, and another one answers the next request",
			Start: pages,
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).After("c0").Page("c1", false, `{"mode":"draining"}`, event(1, "1")) },
				func(e *Exchange) { e.After("c1").Page("c2", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-busy", Rule: "a client waits for Retry-After, and asks again after the same cursor",
			Start: pages,
			Want:  []string{isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.AsPage(false).After("c0").Refuse(http.StatusServiceUnavailable, "Retry-After", "1")
				},
				func(e *Exchange) { e.After("c0").NotWithin(time.Second).Page("c1", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-token-rejected", Rule: "after a 401 a client asks once with another token, at once",
			Start: Start{Open: "events", Since: "c0", Transport: "poll", Tokens: true},
			Want:  []string{isEnd},
			Stream: []Step{
				func(e *Exchange) { e.AsPage(false).WithToken(1).Refuse(http.StatusUnauthorized) },
				func(e *Exchange) { e.After("c0").WithToken(2).Page("c1", false, "", event(999, `"end"`)) },
				func(e *Exchange) { e.Hold() },
			},
		},
		{
			Name: "pages-stop-403", Rule: "a client gives up after a refusal that does not pass, and says so",
			Start:  pages,
			Want:   []string{gaveUp},
			Stream: []Step{func(e *Exchange) { e.AsPage(false).Refuse(http.StatusForbidden) }},
		},
		{
			Name: "pages-of-a-collection", Rule: "a collection is the same without a stream",
			Start: Start{Open: "collection", Collection: "orders", Where: openOrders.Where, Transport: "poll"},
			Rows:  states("1 2", "2 3", "2 3 4"),
			Other: lists(nil, page("p1", "null", "1", "2")),
			Stream: []Step{
				func(e *Exchange) {
					e.filtered().AsPage(false).After("p1").Page("c1", false, "", row(1, put("insert", "3", "open")), row(2, moved(gone("1"))))
				},
				func(e *Exchange) {
					e.AsPage(true).After("c1").Page("c2", false, "", row(3, put("insert", "4", "open")))
				},
				func(e *Exchange) { e.Hold() },
			},
		},
	}
}

// fallbackScenarios test what a client does where a proxy lets no stream through. On a busy machine a client may find
// more streams mute than there are, so the answers depend on what it requests.
func fallbackScenarios() []Scenario {
	mute := func(name string, stream Step, pages map[string]Step, want ...string) Scenario {
		return Scenario{
			Name: name, Rule: "a client asks for pages if no stream begins, continues at its cursor, and drops what it has",
			Start: Start{Open: "events", ConnectTimeout: 2000},
			Want:  append(want, isEnd),
			Stream: slices.Repeat([]Step{func(e *Exchange) {
				page := pages[e.Cursor()]
				switch {
				case strings.Contains(e.r.Header.Get("Accept"), "event-stream"):
					if e.count("streams") == 3 {
						e.fail("it opens streams again and again, and asks for no page")
					}
					stream(e)
				case page != nil:
					page(e)
				default:
					e.Hold()
				}
			}}, 20),
		}
	}
	fromNow := map[string]Step{
		"":   func(e *Exchange) { e.AsPage(false).Page("c0", false, `{"mode":"live"}`) },
		"c0": func(e *Exchange) { e.AsPage(true).Page("c1", false, "", event(1, "1")) },
		"c1": func(e *Exchange) { e.AsPage(true).Page("c2", false, "", event(999, `"end"`)) },
	}
	return []Scenario{
		mute("mute-stream", func(e *Exchange) { e.Begin().Hold() }, fromNow, "1 1"),
		mute("mute-response", func(e *Exchange) { e.Hold() }, fromNow, "1 1"),
		mute("mute-later", func(e *Exchange) {
			if e.Cursor() == "" {
				e.Send(live("c0") + withID("c1", event(1, "1")) + event(2, "2")).Abort()
			}
			e.Begin().Hold()
		}, map[string]Step{
			"":   func(e *Exchange) { e.AsPage(false).Page("c1", true, "", event(1, "1")) },
			"c0": func(e *Exchange) { e.AsPage(false).Page("c1", true, "", event(1, "1")) },
			"c1": func(e *Exchange) { e.AsPage(false).Page("c2", true, "", event(2, "2"), event(3, "3")) },
			"c2": func(e *Exchange) { e.Page("c3", false, "", event(999, `"end"`)) },
		}, "1 1", "2 2", "3 3"),
	}
}
