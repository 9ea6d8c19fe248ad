package conformance

// resumeScenarios test cursors, repeated events, resets and states.
func resumeScenarios() []Scenario {
	return append(repeatScenarios(),
		Scenario{
			Name: "resume", Rule: "a client resumes after the last id line",
			Start: events,
			Want:  []string{"1 1", "2 2", "3 3", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.After("").Send(live("c0") + withID("c1", event(1, "1"))).Abort() },
				func(e *Exchange) {
					e.After("c1").Send(resumed("c1") + withID("c2", event(2, "2")) + withID("c3", heartbeat))
				},
				func(e *Exchange) { e.After("c3").Send(resumed("c3") + withID("c4", event(3, "3"))).Abort() },
				func(e *Exchange) { e.After("c4").Send(resumed("c4") + end("c5")).Hold() },
			},
		},
		Scenario{
			Name: "resume-at-once", Rule: "the id line of the first sync is a cursor, too",
			Start: events,
			Want:  []string{isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0")).Abort() },
				func(e *Exchange) { e.After("c0").Send(resumed("c0") + end("c1")).Hold() },
			},
		},
		Scenario{
			Name: "since", Rule: "a stream begins after the cursor that it is given, and keeps it if no answer comes",
			Start: Start{Open: "events", Since: "list"},
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.After("list").Abort() },
				func(e *Exchange) { e.After("list").Send(resumed("list") + event(1, "1") + end("c1")).Hold() },
			},
		},
		Scenario{
			Name: "reset-first", Rule: "after a reset the ids before it mean nothing",
			Start: events,
			Want:  []string{"1 1", "2 2", "reset other_log", `1 "other"`, `2 "other"`, isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + withID("c1", event(1, "1")) + event(2, "2")).Abort() },
				func(e *Exchange) {
					e.After("c1").Send(quick + withID("x0", syncFrame(`{"mode":"reset","reason":"other_log"}`)))
					e.Send(withID("x1", event(1, `"other"`)) + withID("x2", event(2, `"other"`)) + end("x3")).Hold()
				},
			},
		},
		Scenario{
			Name: "reset-later", Rule: "a reset can come at any time, and its id line is the cursor",
			Start: events,
			Want:  []string{"1 1", "reset pruned", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.Send(live("c0") + event(1, "1") + withID("x0", syncFrame(`{"mode":"reset","reason":"pruned"}`))).Abort()
				},
				func(e *Exchange) { e.After("x0").Send(resumed("x0") + withID("x1", event(2, "2")) + end("x2")).Hold() },
			},
		},
		Scenario{
			Name: "stale", Rule: "stale and the live after it are shown, and change nothing about what has arrived",
			Start: events,
			Want:  []string{"1 1", "stale", "fresh", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.Send(live("c0") + event(1, "1") + syncFrame(`{"mode":"stale","since":"2026-01-02T03:04:05.678Z"}`))
					e.Send(syncFrame(`{"mode":"stale","since":"2026-01-02T03:04:05.678Z"}`) + syncFrame(`{"mode":"live"}`)).Abort()
				},
				func(e *Exchange) {
					e.After("c0").Send(resumed("c0") + event(1, "1") + withID("c1", event(2, "2")) + end("c2")).Hold()
				},
			},
		},
		Scenario{
			Name: "stale-first", Rule: "a stream may begin with stale, and reset when the database is there again",
			Start: Start{Open: "events", Since: "c0"},
			Want:  []string{"stale", "reset pruned", "fresh", isEnd},
			Stream: []Step{func(e *Exchange) {
				e.Send(quick + syncFrame(`{"mode":"stale","since":"2026-01-02T03:04:05.678Z"}`))
				e.Send(withID("c1", syncFrame(`{"mode":"reset","reason":"pruned"}`)) + end("c2")).Hold()
			}},
		},
		Scenario{
			Name: "drain", Rule: "after draining a client reconnects with its cursor, and waits for the last retry",
			Start: events,
			Want:  []string{"1 1", "2 2", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.Send(live("c0") + withID("c1", event(1, "1")) + "retry: 700\n" + withID("c1", syncFrame(`{"mode":"draining"}`)))
				},
				func(e *Exchange) {
					e.NotWithin(700 * ms).After("c1").Send(resumed("c1") + withID("c2", event(2, "2")) + end("c3")).Hold()
				},
			},
		},
		Scenario{
			Name: "silence", Rule: "a connection that brings nothing for 2.5 times the heartbeat's interval and 2 s is dead",
			Start: events,
			Want:  []string{"1 1", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.Send(quick + withID("c0", syncFrame(`{"mode":"live","heartbeat":200}`)) + withID("c1", event(1, "1"))).Hold()
				},
				func(e *Exchange) { e.After("c1").Send(resumed("c1") + end("c2")).Hold() },
			},
		},
		Scenario{
			Name: "oversized", Rule: "an event without its data is shown as one",
			Start: events,
			Want:  []string{"1 oversized 17", isEnd},
			Stream: []Step{func(e *Exchange) {
				e.Send(live("c0") + withID("c1", `data: {"id":1,"type":"a","key":"17","oversized":true,"timestamp":1}`+"\n\n") + end("c2")).Hold()
			}},
		},
	)
}

// repeatScenarios test rule 2: events that come again.
func repeatScenarios() []Scenario {
	return []Scenario{
		{
			Name: "cut-transaction", Rule: "of a transaction that comes again, known events are dropped, also if another comes first",
			Start: events,
			Want:  []string{"1 1", "2 2", "9 9", "3 3", "4 4", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + event(1, "1") + event(2, "2")).Abort() },
				func(e *Exchange) {
					e.After("c0").Send(resumed("c0") + withID("c1", event(9, "9")) + event(1, "1")).Abort()
				},
				func(e *Exchange) {
					e.After("c1").Send(resumed("c1") + event(1, "1") + event(2, "2") + withID("c2", event(3, "3")))
					e.Send(withID("c3", event(4, "4")) + end("c4")).Hold()
				},
			},
		},
		{
			Name: "order-of-ids", Rule: "ids need not rise: only the same id is a repetition",
			Start: events,
			Want:  []string{"50 50", "7 7", "6 6", "51 51", isEnd},
			Stream: []Step{
				func(e *Exchange) { e.Send(live("c0") + withID("c1", event(50, "50")) + event(7, "7")).Abort() },
				func(e *Exchange) {
					e.After("c1").Send(resumed("c1") + withID("c2", event(6, "6")) + event(7, "7") + withID("c3", event(51, "51")) + end("c4")).Hold()
				},
			},
		},
		{
			Name: "repeats", Rule: "after repeats, events from before the id line may come again",
			Start: events,
			Want:  []string{"1 1", "2 2", "3 3", "4 4", isEnd},
			Stream: []Step{
				func(e *Exchange) {
					e.Send(live("c0") + withID("c1", event(1, "1")) + event(2, "2") + withID("c2", event(3, "3"))).Abort()
				},
				func(e *Exchange) {
					e.After("c2").Send(quick + withID("c2", syncFrame(`{"mode":"resumed","repeats":true}`)))
					e.Send(event(2, "2") + withID("c3", event(3, "3")) + withID("c4", event(4, "4")) + end("c5")).Hold()
				},
			},
		},
	}
}
