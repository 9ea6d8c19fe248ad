/**
 * Starts with the first subscriber and stops after the last. It does not stop at once: StrictMode
 * takes a component out and puts it back, and one that moves in the page does the same.
 */
export class Lifetime {
  private subscribers = 0;
  private stopping: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly start: () => void,
    private readonly stop: () => void,
  ) {}

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
