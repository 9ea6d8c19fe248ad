/** The number of events whose ids are remembered, in case the server sends some of them again. */
const remembered = 5000;

/** Remembers the ids of the last events. */
export class Memory {
  private readonly ids = new Set<number>();
  /** Whether there were more than it remembers. */
  hasForgotten = false;

  /** Adds an id. Returns false if it is known. */
  add(id: number): boolean {
    if (this.ids.has(id)) return false;
    this.ids.add(id);
    if (this.ids.size > remembered) {
      this.ids.delete(this.ids.values().next().value!);
      this.hasForgotten = true;
    }
    return true;
  }

  clear(): void {
    this.ids.clear();
    this.hasForgotten = false;
  }

  [Symbol.iterator](): Iterator<number> {
    return this.ids.values();
  }
}
