// Counts events by time and operation for the chart: from the log, or from the events that the page has.

import { record } from '../../shared/js/own.js';
import { load } from './source.js';

export const SPANS = [
  { name: '15 min', length: 15 * 60_000, step: 15_000 },
  { name: '1 h', length: 3_600_000, step: 60_000 },
  { name: '24 h', length: 86_400_000, step: 20 * 60_000 },
];

/** The counts of a span, in buckets by their start. */
export class Counts {
  span = SPANS[0];
  buckets = new Map();
  knownFrom = Infinity; // the time from which events are counted, by the database's clock
  note = '';

  /** Begins anew with no events known. */
  reset(span = this.span) {
    this.span = span;
    this.buckets = new Map();
    this.knownFrom = Infinity;
    this.note = '';
  }

  /** Adds an event at a time. */
  add(at, op, n = 1) {
    const start = Math.floor(at / this.span.step) * this.span.step;
    const bucket = this.buckets.get(start) ?? record();
    bucket[op] = (bucket[op] ?? 0) + n;
    this.buckets.set(start, bucket);
  }

  /** Drops what has left the span. */
  trim(now) {
    for (const at of this.buckets.keys()) if (at < now - this.span.length - this.span.step) this.buckets.delete(at);
  }

  /** Loads the counts of the log. `opOf(type)` returns the operation of a type. Throws if the server cannot count. */
  async load(params, now, opOf, signal) {
    const { step, length } = this.span;
    const from = Math.floor((now - length) / step) * step;
    const answer = await load(`api/log/counts?${new URLSearchParams([...params, ['step', `${step / 1000}s`], ['from', from]])}`, signal);
    this.reset();
    for (const { from: at, types } of answer.counts) for (const [type, n] of Object.entries(types)) this.add(Date.parse(at), opOf(type), n);
    const known = Date.parse(answer.from);
    this.knownFrom = known <= from ? -Infinity : known;
  }

  /** Counts the events of the page. Those before the oldest one are unknown, unless it is the log's first. */
  fromEntries(log, now) {
    this.reset();
    for (const { event, subject } of log.entries) {
      if (event.timestamp < now - this.span.length) break;
      this.add(event.timestamp, subject.op);
    }
    const oldest = log.entries.at(-1)?.event.timestamp;
    this.knownFrom = log.hasHistory && !log.hasMore && !log.isTrimmed ? -Infinity : oldest ?? now;
  }
}
