export interface BackoffOptions {
  /** The upper bound of the first delay, in milliseconds, unless the server sends `retry:`. Default 1000. */
  initial?: number;
  /** The upper bound of every delay, in milliseconds. Default 30000. */
  max?: number;
}

/**
 * Computes the delay before the next attempt: exponential with full jitter, so that the clients of
 * a restarted server do not reconnect all at once. The server takes precedence: its `retry:`
 * replaces `initial`, and a delay is never shorter than its `Retry-After`.
 */
export class Backoff {
  /** The server's `retry:`, in milliseconds. The server adds the jitter. */
  retry: number | undefined;
  private attempt = 0;
  private readonly initial: number;
  private readonly max: number;

  constructor(options: BackoffOptions = {}) {
    this.initial = options.initial ?? 1000;
    this.max = Math.max(options.max ?? 30_000, this.initial);
  }

  /** Returns the next delay, in milliseconds. `retryAfter` is the server's `Retry-After`. */
  next(retryAfter?: number): number {
    const attempt = this.attempt++;
    if (retryAfter !== undefined) return retryAfter + Math.random() * Math.min(1000, retryAfter / 4);
    if (attempt === 0 && this.retry !== undefined) return this.retry;
    const ceiling = Math.min(this.max, (this.retry ?? this.initial) * 2 ** Math.min(attempt, 30));
    return Math.random() * ceiling;
  }

  /** Counts the next failure as the first, after a connection that worked. */
  reset(): void {
    this.attempt = 0;
  }
}
