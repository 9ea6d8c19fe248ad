// Counts events and samples their latencies, for each second of the last hour.

const SECONDS = 3600;

/** How many latencies are kept for a second: a sample is enough for percentiles. */
const SAMPLE = 50;

export class Measures {
  #seconds = new Map(); // by second: {events, latencies}

  /** Adds an event. `latency` is in milliseconds, or null for a replayed event. */
  add(at, latency) {
    const second = Math.floor(at / 1000);
    let kept = this.#seconds.get(second);
    if (!kept) {
      this.#seconds.set(second, (kept = { events: 0, latencies: [] }));
      this.#forget(second - SECONDS);
    }
    kept.events++;
    if (latency === null) return;
    if (kept.latencies.length < SAMPLE) kept.latencies.push(latency);
    else if (Math.random() * kept.events < SAMPLE) kept.latencies[Math.floor(Math.random() * SAMPLE)] = latency;
  }

  #forget(before) {
    for (const second of this.#seconds.keys()) {
      if (second >= before) return; // the map is in the order of time
      this.#seconds.delete(second);
    }
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
