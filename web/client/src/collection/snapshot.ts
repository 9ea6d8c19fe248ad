/** The transactions that a list contains, as PostgreSQL's pg_snapshot writes them: "100:105:100,103". */
export class Snapshot {
  private readonly next: number;
  private readonly open: readonly number[];

  constructor(text = "0:0:") {
    const [, next, open] = text.split(":");
    this.next = Number(next);
    this.open = open ? open.split(",").map(Number) : [];
  }

  has(xid: number): boolean {
    return xid < this.next && !this.open.includes(xid);
  }

  /** Reports whether it contains everything that another one does. */
  covers(other: Snapshot): boolean {
    return this.next >= other.next && !this.open.some((xid) => other.has(xid));
  }
}
