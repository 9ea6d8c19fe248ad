/** Records the cursors that a member has passed, and the events between them. */
export class Trail {
  private steps: { cursor: string; ids: number[] }[] = [];
  private partial: number[] = [];

  constructor(private readonly limit = 1000) {}

  addEvent(id: number | undefined): void {
    if (id !== undefined) this.partial.push(id);
  }

  addCursor(cursor: string): void {
    if (this.steps.at(-1)?.cursor === cursor) return;
    this.steps.push({ cursor, ids: this.partial });
    this.partial = [];
    if (this.steps.length > this.limit) this.steps.shift();
  }

  /** Returns the events since a cursor; undefined if the trail does not have the cursor. */
  since(cursor: string | null): number[] | undefined {
    const i = this.steps.findLastIndex((step) => step.cursor === cursor);
    if (i < 0) return undefined;
    return [...this.steps.slice(i + 1).flatMap((step) => step.ids), ...this.partial];
  }

  /** Starts again at a cursor. */
  restart(cursor: string | null): void {
    this.steps = cursor === null ? [] : [{ cursor, ids: [] }];
    this.partial = [];
  }
}
