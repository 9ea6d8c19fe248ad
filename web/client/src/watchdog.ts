/** Notices that nothing has come for too long. Timers of hidden pages are late, so it can also be asked. */
export class Watchdog {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;
  private limit = 0;

  constructor(private readonly bite: (silence: number) => void) {}

  /** Watches from now on, until `stop`: something must come every `limit` milliseconds. */
  watch(limit: number): void {
    this.stop();
    this.limit = limit;
    this.last = Date.now();
    this.timer = setTimeout(() => this.look(), limit);
  }

  /** Something came. */
  alive(): void {
    this.last = Date.now();
  }

  /** Bites now if it is time to. */
  look(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    const silence = Date.now() - this.last;
    if (silence >= this.limit) {
      this.timer = undefined;
      this.bite(silence);
      return;
    }
    // One timer that moves itself on is cheaper than a new one for each event.
    this.timer = setTimeout(() => this.look(), this.limit - Math.max(0, silence));
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
