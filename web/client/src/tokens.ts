import { StreamError } from "./errors.js";
import type { TokenCallback, TokenReason } from "./options.js";

/** Asks for the token of each attempt to connect, and remembers why another one is needed. */
export class Tokens {
  private reason: TokenReason = "connect";

  constructor(private readonly callback: TokenCallback | undefined) {}

  /** Resolves to the token for the next attempt, null if there is none. It fails with a StreamError. */
  async next(): Promise<string | null> {
    if (!this.callback) return null;
    try {
      return (await this.callback({ reason: this.reason })) || null;
    } catch (cause) {
      throw new StreamError("the token callback threw", { kind: "token", cause });
    }
  }

  /** The token in use counts no more. */
  expired(): void {
    this.reason = "renew";
  }

  /** The server refused the token. True if another one is worth a try: not if that one was refused, too. */
  refused(): boolean {
    if (this.reason === "rejected") return false;
    this.reason = "rejected";
    return true;
  }

  /** The stream is open, or has given up: what was wrong before says nothing of the next attempt. */
  settled(): void {
    this.reason = "connect";
  }
}
