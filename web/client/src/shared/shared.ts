import type { Debug } from "../debug.js";
import type { ConnectionOptions } from "../options.js";
import { streamURL } from "../stream-url.js";
import { HubPosition, Position } from "../position.js";
import type { Sink, Source } from "../source.js";
import { onPageReturn } from "../page-return.js";
import { Watchdog } from "../watchdog.js";
import { Hub } from "./hub.js";
import { Member } from "./member.js";
import type { HubMessage, MemberMessage, Message } from "./messages.js";

/** The silence after which the others ask the leader whether it is alive, in milliseconds. */
const longestSilence = 3000;

/** The time without an answer after which they no longer say that they are open, and the time until they take over then. */
const doubtAfter = 1500;
const stealAfter = 2500;

/**
 * Shares one connection among all tabs. The tab that holds the Web Lock leads: it runs the hub,
 * which broadcasts what arrives. When that tab closes or crashes, the browser grants the lock to
 * the next one, whose hub starts at the cursor of its own tab. The members compare cursors, so that
 * no tab misses or repeats an event (see Member). A leader that does not respond is frozen; another
 * tab steals the lock from it.
 */
export class SharedSource implements Source {
  private readonly id = crypto.randomUUID();
  private readonly name: string;
  private readonly sink: Sink;
  private readonly member: Member;
  private readonly watchdog = new Watchdog(() => this.ask());
  private channel: BroadcastChannel | undefined;
  private hub: Hub | undefined;
  private lockAbort: AbortController | undefined; // releases the lock, or the request for it
  private answerTimer: ReturnType<typeof setTimeout> | undefined;
  private stopWatchingPage: (() => void) | undefined;
  private hasFailed = false; // to reach the other tabs
  private isConnected = false;

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
        if (status === "closed" && this.isConnected) this.close();
      },
    };
    this.member = new Member(options, new Position(options.since ?? null), this.sink, debug);
  }

  get cursor(): string | null {
    return this.member.position.cursor;
  }

  connect(): void {
    if (this.isConnected) return;
    this.isConnected = true;
    this.stopWatchingPage = this.watchPage();
    this.sink.status("connecting", null);
    if (this.isConnected) this.openChannel();
  }

  reconnect(): void {
    if (!this.isConnected) return this.connect();
    this.member.reconnect();
    if (this.hub) this.hub.reconnect();
    else this.send({ kind: "reconnect", from: this.id });
  }

  restart(cursor: string | null): void {
    this.member.move(cursor);
    if (!this.isConnected) return;
    if (this.hub) this.hub.postState(this.id);
    else this.queryLeader();
  }

  close(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.stopWatchingPage?.();
    this.closeChannel();
    this.sink.status("closed", null);
  }

  private watchPage(): () => void {
    const stopWatchingPage = onPageReturn(() => {
      if (this.hub) return;
      this.send({ kind: "retry-now", from: this.id });
      this.ask(); // the leader may have gone while this page slept
    });
    // A page in the back/forward cache must have neither lock nor channel.
    const hide = () => this.closeChannel();
    const show = (event: PageTransitionEvent) => event.persisted && this.openChannel();
    window.addEventListener("pagehide", hide);
    window.addEventListener("pageshow", show);
    return () => {
      stopWatchingPage();
      window.removeEventListener("pagehide", hide);
      window.removeEventListener("pageshow", show);
    };
  }

  private openChannel(): void {
    if (this.channel) return;
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = ({ data }: MessageEvent<Message[]>) => data.forEach((message) => this.onMessage(message));
    this.lockAbort = new AbortController();
    this.requestLock(this.lockAbort.signal, false);
    this.queryLeader();
  }

  private closeChannel(): void {
    clearTimeout(this.answerTimer);
    this.watchdog.stop();
    this.lockAbort?.abort();
    this.stop();
    this.channel?.close();
    this.channel = undefined;
  }

  /** Neither leads nor follows. */
  private stop(): void {
    this.member.stop();
    this.hub?.close();
    this.hub = undefined;
  }

  /** Requests the lock, and holds it until `signal` or until another tab steals it. */
  private requestLock(signal: AbortSignal, steal: boolean): void {
    const lead = () =>
      new Promise<void>((release) => {
        if (signal.aborted) return release();
        signal.addEventListener("abort", () => release());
        this.lead();
      });
    const options: LockOptions = steal ? { steal } : { signal };
    navigator.locks.request(this.name, options, lead).catch((error: unknown) => {
      if (signal.aborted) return;
      if ((error as DOMException).name !== "AbortError") {
        this.debug("the browser refused the lock: connecting without the other tabs", error);
        return this.lead();
      }
      if (this.hub) this.debug("another tab took over");
      this.stop();
      this.requestLock(signal, false);
      this.queryLeader();
    });
  }

  private lead(): void {
    if (this.hub) return;
    this.debug("leading the other tabs");
    clearTimeout(this.answerTimer);
    this.watchdog.stop();
    const hub: Hub = new Hub(this.options, new HubPosition(this.cursor), this.debug, (messages) => {
      if (this.hub !== hub) return;
      for (const message of messages) this.onHubMessage(message); // first, since nothing that the others need may keep it from this tab
      this.broadcast(hub, messages);
    });
    this.hub = hub;
    this.sink.role("leader");
    hub.open();
  }

  /** Posts to the other tabs. After a failure, the state comes first: those that lack something get it themselves. */
  private broadcast(hub: Hub, messages: HubMessage[]): void {
    try {
      this.channel?.postMessage(this.hasFailed ? [hub.state()] : messages);
      this.hasFailed = false;
    } catch (error) {
      this.debug("the other tabs could not be reached", error);
      if (!this.hasFailed) hub.beat(); // with which the state goes
      this.hasFailed = true;
    }
  }

  /** Asks the leader whether it is alive. */
  private ask(): void {
    this.send({ kind: "ask", from: this.id });
    this.awaitAnswer();
  }

  /** Requests the leader's state. A leader that does not respond is frozen: this tab steals the lock. */
  private queryLeader(): void {
    if (this.hub) return;
    this.send({ kind: "query-state", from: this.id });
    this.awaitAnswer();
  }

  private awaitAnswer(): void {
    clearTimeout(this.answerTimer);
    this.answerTimer = setTimeout(() => {
      this.answerTimer = setTimeout(() => {
        this.debug("the leading tab is silent: taking over");
        this.requestLock(this.lockAbort!.signal, true);
      }, stealAfter);
      this.member.doubt();
    }, doubtAfter);
  }

  private onMessage(message: Message): void {
    if (!this.channel) return; // a listener has closed the stream
    if (message.kind === "query-state") return this.hub?.postState(message.from);
    if (message.kind === "ask") return this.hub?.beat();
    if (message.kind === "retry-now") return this.hub?.retryNow();
    if (message.kind === "reconnect") return this.hub?.reconnect();
    if (this.hub) return; // from a hub that has yet to notice that it lost the lock
    clearTimeout(this.answerTimer);
    this.watchdog.watch(longestSilence);
    if (message.kind === "beat" && !this.member.knows(message.hub)) this.queryLeader();
    else this.onHubMessage(message);
  }

  private onHubMessage(message: HubMessage): void {
    if (message.kind === "state" && message.to !== undefined && message.to !== this.id) return;
    this.member.receive(message);
  }

  private send(message: MemberMessage): void {
    this.channel?.postMessage([message]); // texts only, which can always be posted
  }
}
