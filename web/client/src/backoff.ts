export interface BackoffOptions {
  /** The most to wait before the first retry, in milliseconds, if the server has not said. Default 1000. */
  initial?: number;
  /** The most to wait before any retry, in milliseconds. Default 30000. */
  max?: number;
}

/**
 * How long to wait before the next attempt: exponential with full jitter, so that the clients of a
 * server that went away do not return in one wave. What the server asks for goes first: `retry:`
 * is where it begins, and nobody comes before a `Retry-After` is over.
 */
export class Backoff {
  /** The server's `retry:`, in milliseconds. It is random already. */
  retry: number | undefined;
  private attempt = 0;
  private readonly initial: number;
  private readonly max: number;

  constructor(options: BackoffOptions = {}) {
    this.initial = options.initial ?? 1000;
    this.max = Math.max(options.max ?? 30_000, this.initial);
  }

  /** Returns the next delay in milliseconds. */
  next(retryAfter?: number): number {
    const attempt = this.attempt++;
    if (retryAfter !== undefined) return retryAfter + Math.random() * Math.min(1000, retryAfter / 4);
    if (attempt === 0 && this.retry !== undefined) return this.retry;
    const ceiling = Math.min(this.max, (this.retry ?? this.initial) * 2 ** Math.min(attempt, 30));
    return Math.random() * ceiling;
  }

  /** The connection has proved itself: the next failure is the first again. */
  reset(): void {
    this.attempt = 0;
  }
}
