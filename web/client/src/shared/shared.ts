import type { Debug } from "../debug.js";
import { streamURL, type ConnectionOptions } from "../options.js";
import { HubPosition, Position } from "../position.js";
import type { Sink, Source } from "../source.js";
import { onWake } from "../wake.js";
import { Watchdog } from "../watchdog.js";
import { Hub } from "./hub.js";
import { Member } from "./member.js";
import type { HubMessage, MemberMessage, Message } from "./messages.js";

/** How long a leader may take to say that it is there, in milliseconds. */
const patience = 5000;

/** Whether the tabs of this browser can share a connection: in pages of a secure context, https or localhost. */
export function canShare(): boolean {
  if (typeof document === "undefined" || typeof BroadcastChannel !== "function") return false;
  return !!navigator.locks && globalThis.origin !== "null"; // a sandboxed frame belongs to nobody
}

/** The name of the group to share with; null to share with nobody. */
export function groupOf(options: ConnectionOptions): string | null {
  const { shared = options.token === undefined, token } = options;
  if (shared === false || shared === "" || !canShare()) return null;
  if (shared === true && token) {
    throw new TypeError("tabs with different tokens must not share a connection: name the group, as in shared: userId");
  }
  return shared === true ? "" : shared;
}

/**
 * One connection for all tabs. Whoever holds the lock leads: it has the hub, and broadcasts what
 * comes. When it goes, the browser gives the lock to the next, whose hub begins where that tab is.
 * The members see to it that nobody misses or repeats anything then.
 */
export class SharedSource implements Source {
  private readonly id = crypto.randomUUID();
  private readonly name: string;
  private readonly sink: Sink;
  private readonly member: Member;
  private readonly silence = new Watchdog(() => this.ask());
  private channel: BroadcastChannel | undefined;
  private hub: Hub | undefined;
  private leaving: AbortController | undefined;
  private answer: ReturnType<typeof setTimeout> | undefined;
  private stopWaking: (() => void) | undefined;
  private connected = false;

  constructor(
    private readonly options: ConnectionOptions,
    group: string,
    sink: Sink,
    private readonly debug: Debug,
  ) {
    this.name = `pgherald ${group} ${streamURL(options)}`;
    this.sink = {
      ...sink,
      role: (role) => sink.role(this.hub ? "leader" : role),
      status: (status, retryAt) => {
        sink.status(status, retryAt);
        if (status === "closed" && this.connected) this.close();
      },
    };
    this.member = new Member(options, new Position(options.since ?? null), this.sink, debug);
  }

  get cursor(): string | null {
    return this.member.position.cursor;
  }

  connect(): void {
    if (this.connected) return;
    this.connected = true;
    this.stopWaking = this.listen();
    this.sink.status("connecting", null);
    if (this.connected) this.enter();
  }

  reconnect(): void {
    if (!this.connected) return this.connect();
    this.member.reconnect();
    if (this.hub) this.hub.reconnect();
    else this.send({ kind: "reconnect", from: this.id });
  }

  restart(cursor: string | null): void {
    this.member.move(cursor);
    if (!this.connected) return;
    if (this.hub) this.hub.state(this.id);
    else this.ask();
  }

  close(): void {
    if (!this.connected) return;
    this.connected = false;
    this.stopWaking?.();
    this.leave();
    this.sink.status("closed", null);
  }

  private listen(): () => void {
    const stopWaking = onWake(() => {
      if (!this.hub) this.send({ kind: "wake", from: this.id });
    });
    // A page in the back/forward cache must hold neither lock nor channel.
    const hide = () => this.leave();
    const show = (event: PageTransitionEvent) => event.persisted && this.enter();
    window.addEventListener("pagehide", hide);
    window.addEventListener("pageshow", show);
    return () => {
      stopWaking();
      window.removeEventListener("pagehide", hide);
      window.removeEventListener("pageshow", show);
    };
  }

  private enter(): void {
    if (this.channel) return;
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = ({ data }: MessageEvent<Message[]>) => data.forEach((message) => this.heard(message));
    this.leaving = new AbortController();
    this.apply(this.leaving.signal, false);
    this.ask();
  }

  private leave(): void {
    clearTimeout(this.answer);
    this.silence.stop();
    this.leaving?.abort();
    this.member.stop();
    this.hub?.close();
    this.hub = undefined;
    this.channel?.close();
    this.channel = undefined;
  }

  /** Asks for the lock, and holds it until we leave or another tab takes it from us. */
  private apply(leaving: AbortSignal, steal: boolean): void {
    const lead = () =>
      new Promise<void>((release) => {
        if (leaving.aborted) return release();
        leaving.addEventListener("abort", () => release());
        this.lead();
      });
    const options: LockOptions = steal ? { steal } : { signal: leaving };
    navigator.locks.request(this.name, options, lead).catch((error: unknown) => {
      if (leaving.aborted) return;
      if ((error as DOMException).name !== "AbortError") {
        this.debug("the browser refuses the lock: connecting without the other tabs", error);
        return this.lead();
      }
      if (this.hub) this.debug("another tab took over, since we did not answer");
      this.hub?.close();
      this.hub = undefined;
      this.member.stop();
      this.apply(leaving, false);
      this.ask();
    });
  }

  private lead(): void {
    if (this.hub) return;
    this.debug("leading: this tab holds the connection for all");
    clearTimeout(this.answer);
    this.silence.stop();
    const hub: Hub = new Hub(this.options, new HubPosition(this.cursor), this.debug, (messages) => {
      if (this.hub !== hub) return;
      this.channel?.postMessage(messages);
      for (const message of messages) this.hearHub(message);
    });
    this.hub = hub;
    this.sink.role("leader");
    hub.open();
  }

  /** Asks the leader where it is; one that does not answer is frozen, and loses the lock. */
  private ask(): void {
    if (this.hub) return;
    this.send({ kind: "hello", from: this.id });
    clearTimeout(this.answer);
    this.answer = setTimeout(() => {
      if (this.hub || !this.leaving) return;
      this.debug("the leading tab does not answer: taking over");
      this.apply(this.leaving.signal, true);
    }, patience);
  }

  private heard(message: Message): void {
    if (message.kind === "hello") return this.hub?.state(message.from);
    if (message.kind === "wake") return this.hub?.wake();
    if (message.kind === "reconnect") return this.hub?.reconnect();
    if (this.hub) return; // of a hub that has not yet noticed that it is none
    clearTimeout(this.answer);
    this.silence.watch((this.options.heartbeatTimeout ?? 70_000) + 20_000);
    this.hearHub(message);
  }

  private hearHub(message: HubMessage): void {
    if (message.kind === "state" && message.to !== undefined && message.to !== this.id) return;
    this.member.heard(message);
  }

  private send(message: MemberMessage): void {
    this.channel?.postMessage([message]);
  }
}
