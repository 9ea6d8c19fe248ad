/**
 * Starts with the first subscriber and stops after the last one was removed, in a later task:
 * StrictMode and a component that moves in the page unsubscribe and subscribe again at once.
 */
export class Lifetime {
  private subscribers = 0;
  private stopping: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly start: () => void,
    private readonly stop: () => void,
  ) {}

  /** Adds a subscriber and returns a function that removes it. */
  add(): () => void {
    clearTimeout(this.stopping);
    this.stopping = undefined;
    if (this.subscribers++ === 0) this.start();
    let counted = true;
    return () => {
      if (!counted) return;
      counted = false;
      if (--this.subscribers === 0) this.stopping = setTimeout(this.stop, 0);
    };
  }
}
