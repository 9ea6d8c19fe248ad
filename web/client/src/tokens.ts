import { StreamError } from "./errors.js";
import type { TokenCallback, TokenReason } from "./options.js";

/** Gets the token of each connection attempt, and records why another one is needed. */
export class Tokens {
  private reason: TokenReason = "connect";

  constructor(private readonly callback: TokenCallback | undefined) {}

  /** Resolves to the token for the next attempt, or to null without a callback. Rejects with a StreamError. */
  async next(): Promise<string | null> {
    if (!this.callback) return null;
    let token;
    try {
      token = (await this.callback({ reason: this.reason })) || null;
    } catch (cause) {
      throw new StreamError("the token callback threw", { kind: "token", cause });
    }
    // fetch would refuse it as if there were no network
    if (token && /[^\t\n\r -~]/.test(token)) throw new StreamError("the token has characters that no header can carry", { kind: "token" });
    return token;
  }

  /** Records that the token in use has expired. */
  markExpired(): void {
    this.reason = "renew";
  }

  /** Records that the server rejected the token. Returns false if it rejected the previous one too: then a retry is useless. */
  markRejected(): boolean {
    if (this.reason === "rejected") return false;
    this.reason = "rejected";
    return true;
  }

  /** Forgets earlier rejections, once the stream is open or has failed for the last time. */
  reset(): void {
    this.reason = "connect";
  }
}

/** Sends a request with a token. After a 401 it sends it once more, with another token. */
export async function withToken(callback: TokenCallback | undefined, send: (headers: Record<string, string>) => Promise<Response>): Promise<Response> {
  const tokens = new Tokens(callback);
  for (;;) {
    const token = await tokens.next();
    const response = await send(token === null ? {} : { Authorization: `Bearer ${token}` });
    if (response.status !== 401 || token === null || !tokens.markRejected()) return response;
    void response.body?.cancel().catch(() => {});
  }
}
