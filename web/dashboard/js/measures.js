// Counts events and samples their latencies, for each second of the last hour.

const SECONDS = 3600;

/** How many latencies are kept for a second: a sample is enough for percentiles. */
const SAMPLE = 50;

export class Measures {
  #seconds = new Map(); // by second: {events, latencies}

  /** Adds an event. `latency` is in milliseconds, or null for a replayed event; `counts` is false if the history has it. */
  add(at, latency, counts = true) {
    const second = Math.floor(at / 1000);
    let kept = this.#seconds.get(second);
    if (!kept) {
      this.#seconds.set(second, (kept = { events: 0, latencies: [] }));
      this.#forget(second - SECONDS);
    }
    if (counts) kept.events++;
    if (latency === null) return;
    if (kept.latencies.length < SAMPLE) kept.latencies.push(latency);
    else if (Math.random() * Math.max(kept.events, SAMPLE) < SAMPLE) kept.latencies[Math.floor(Math.random() * SAMPLE)] = latency;
  }

  #forget(before) {
    for (const second of this.#seconds.keys()) {
      if (second >= before) return; // the map is in the order of time
      this.#seconds.delete(second);
    }
  }

  /**
   * Takes the counts of the log for the time before `since`, in place of what was counted here. What came in between, while the
   * counts were loaded, is in both for a moment only.
   */
  history({ from, step, counts }, since) {
    const until = Math.floor(since / 1000);
    for (const [second, kept] of this.#seconds) if (second < until) kept.events = 0;
    const known = new Map(this.#seconds);
    for (const [at, n] of counts) {
      const second = Math.floor(at / 1000);
      const kept = known.get(second) ?? { events: 0, latencies: [] };
      kept.events += n;
      known.set(second, kept);
    }
    this.#seconds = new Map([...known].sort(([a], [b]) => a - b));
    this.#forget(Math.floor(since / 1000) - SECONDS);
  }

  /** Returns the last n columns of `width` seconds each: {from, events, perMinute, p50, p95}. */
  columns(now, n, width) {
    const last = Math.floor(now / 1000 / width);
    return Array.from({ length: n }, (_, i) => this.#column((last - n + 1 + i) * width, width));
  }

  #column(from, width) {
    let events = 0;
    const latencies = [];
    for (let second = from; second < from + width; second++) {
      const kept = this.#seconds.get(second);
      if (!kept) continue;
      events += kept.events;
      latencies.push(...kept.latencies);
    }
    latencies.sort((a, b) => a - b);
    return { from: from * 1000, events, perMinute: (events * 60) / width, p50: percentile(latencies, 0.5), p95: percentile(latencies, 0.95) };
  }

  /** Returns the column of the last minute. */
  lastMinute(now) {
    return this.#column(Math.floor(now / 1000) - 59, 60);
  }
}

/** Returns a percentile of sorted numbers, or null if there are none. */
function percentile(sorted, share) {
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
