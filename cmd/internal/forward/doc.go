// Package forward sends the events of the log to a service over HTTP, or to a stream of Redis or NATS. It is a consumer of package db/consumers.
//
//	log ──> reader ──> window (what is not acknowledged) ──> lanes ──> workers ──> sink ──> receiver
//	                     └──> position, stored after acknowledgements
//
// A sink is a webhook, a redisStream or a jetStream.
//
// A lane holds the events of one row, or of one key of published events. One worker at a time takes a lane, so that its events arrive in
// the order of the log; other lanes go on meanwhile. An event that asks to load rows again waits for all before it, and all after it wait
// for it.
//
// # Promises
//
//   - At least once: the position never passes an event that was neither acknowledged by its receiver, nor parked, nor dropped by an
//     operator. After a kill, the events of a window come again, and at most windowAhead, or the rest of one transaction, that were
//     acknowledged behind its oldest.
//   - In the order of the log within a lane, also across restarts and changes of the runner. An event behind a parked one is parked too,
//     but none that loads rows: it is a barrier.
//   - An event is parked only if the receiver has refused just this one: by a status about its content, or while it acknowledged others,
//     or it did so before, and all others wait. An outage of the receiver parks nothing, and ends no replay; what a sink knows as one counts
//     for nothing.
//   - A process whose lease has ended begins no request, also if it stood still meanwhile.
//   - Memory is bounded: of events and transactions by the window, of answers by maxAnswer.
package forward
