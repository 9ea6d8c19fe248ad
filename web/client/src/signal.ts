/** Closes something when a signal is aborted. While that is closed, the signal does not keep it in memory. */
export class AbortWatch {
  constructor(
    private readonly signal: AbortSignal | undefined,
    private readonly close: () => void,
  ) {}

  start(): void {
    this.signal?.addEventListener("abort", this.close); // once, however often it is added
  }

  stop(): void {
    this.signal?.removeEventListener("abort", this.close);
  }
}
