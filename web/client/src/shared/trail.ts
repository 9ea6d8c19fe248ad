/** The cursors where we have been, and the events between them. */
export class Trail {
  private steps: { cursor: string; ids: number[] }[] = [];
  private underWay: number[] = [];

  constructor(private readonly limit = 1000) {}

  event(id: number | undefined): void {
    if (id !== undefined) this.underWay.push(id);
  }

  reach(cursor: string): void {
    if (this.steps.at(-1)?.cursor === cursor) return;
    this.steps.push({ cursor, ids: this.underWay });
    this.underWay = [];
    if (this.steps.length > this.limit) this.steps.shift();
  }

  /** The events since we were at this cursor; undefined if we are not known to have been there. */
  since(cursor: string | null): number[] | undefined {
    const i = this.steps.findLastIndex((step) => step.cursor === cursor);
    if (i < 0) return undefined;
    return [...this.steps.slice(i + 1).flatMap((step) => step.ids), ...this.underWay];
  }

  /** Begins anew at a cursor. */
  begin(cursor: string | null): void {
    this.steps = cursor === null ? [] : [{ cursor, ids: [] }];
    this.underWay = [];
  }
}
