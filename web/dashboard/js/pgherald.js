// Built from web/client by `npm run bundle`: do not edit.

// src/errors.ts
var StreamError = class extends Error {
  name = "StreamError";
  kind;
  fatal;
  status;
  code;
  problem;
  retryAfter;
  /** The time of the next attempt, in Unix milliseconds. */
  retryAt;
  constructor(message, details) {
    super(message, { cause: details.cause }), this.kind = details.kind, this.fatal = details.fatal ?? !1, this.status = details.status, this.code = details.code, this.problem = details.problem, this.retryAfter = details.retryAfter;
  }
}, permanent = /* @__PURE__ */ new Set([400, 401, 403, 405, 406, 410, 414, 431]), transient = /* @__PURE__ */ new Set([408, 425, 429]);
async function errorOfResponse(response, wasOpen) {
  let problem = await problemOf(response), { status } = response, fatal = response.ok ? !wasOpen : permanent.has(status) || status < 500 && !transient.has(status) && !wasOpen, detail = typeof problem?.detail == "string" ? `: ${problem.detail}` : "";
  return new StreamError(describe(response) + detail, {
    kind: "http",
    fatal,
    status,
    problem,
    code: typeof problem?.code == "string" ? problem.code : void 0,
    retryAfter: parseRetryAfter(response.headers.get("Retry-After"))
  });
}
function describe(response) {
  if (response.ok) {
    let type = response.headers.get("Content-Type") ?? "no content type";
    return `the server answered ${response.status} with ${type} instead of text/event-stream: check the url`;
  }
  return `the server answered ${response.status}${response.statusText && ` ${response.statusText}`}`;
}
async function problemOf(response) {
  if (!response.headers.get("Content-Type")?.includes("json")) {
    response.body?.cancel().catch(() => {
    });
    return;
  }
  try {
    let problem = await response.json();
    return typeof problem == "object" && problem !== null ? { ...problem } : void 0;
  } catch {
    return;
  }
}
function parseRetryAfter(value) {
  if (value === null || value.trim() === "") return;
  let seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1e3);
  let date = Date.parse(value);
  return Number.isNaN(date) ? void 0 : Math.max(0, date - Date.now());
}

// src/options.ts
var batchWindow = /^\d+(\.\d+)?(ms|s)$/;
function checkOptions(options) {
  let { transport = "auto", headers, batch, heartbeatTimeout } = options;
  if (!["auto", "fetch", "eventsource"].includes(transport))
    throw new TypeError(`transport must be "auto", "fetch" or "eventsource", not ${JSON.stringify(transport)}`);
  if (transport === "eventsource" && headers && Object.keys(headers).length > 0)
    throw new TypeError('an EventSource cannot send headers: leave them out, or use transport: "fetch"');
  if (options.token !== void 0 && typeof options.token != "function")
    throw new TypeError("token must be a function that returns the token, so that it can be renewed");
  if (batch !== void 0 && !batchWindow.test(batch))
    throw new TypeError(`batch must be a duration such as "250ms", not ${JSON.stringify(batch)}`);
  if (heartbeatTimeout !== void 0 && !(heartbeatTimeout > 0))
    throw new TypeError("heartbeatTimeout must be a positive number of milliseconds");
}
function streamURL(options) {
  let url = new URL(resolve(options.url ?? "/api/events")), { searchParams } = url;
  options.types?.length && searchParams.set("types", [...options.types].sort().join(","));
  for (let key of list(options.key)) searchParams.append("key", key);
  for (let [field, values] of Object.entries(options.where ?? {}).sort())
    for (let value of list(values)) searchParams.append(`where.${field}`, value);
  return options.user !== void 0 && searchParams.set("user", options.user), options.batch !== void 0 && searchParams.set("batch", options.batch), options.conflate && searchParams.set("conflate", "1"), url;
}
function resolve(url) {
  let base = typeof document > "u" ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(url, base);
  } catch {
    throw new TypeError(`url ${JSON.stringify(String(url))} is relative, and there is no page to resolve it against: give an absolute one`);
  }
}
function list(value) {
  return value === void 0 ? [] : typeof value == "string" ? [value] : [...value].sort();
}

// src/position.ts
var Position = class {
  cursor;
  partial = /* @__PURE__ */ new Set();
  resent = /* @__PURE__ */ new Set();
  // delivered, and sent again after a reconnect
  constructor(cursor) {
    this.cursor = cursor;
  }
  /** Records an event's id in the log. Returns false if the event was delivered before. */
  record(id) {
    return id === void 0 ? !0 : this.resent.delete(id) || this.partial.has(id) ? (this.partial.add(id), !1) : (this.partial.add(id), !0);
  }
  /** Moves to the cursor after a complete transaction. */
  complete(cursor) {
    cursor !== this.cursor && (this.cursor = cursor, this.partial.clear());
  }
  /** Ends a connection: the server sends the incomplete transaction again. */
  interrupt() {
    for (let id of this.partial) this.resent.add(id);
    this.partial.clear();
  }
  /** Whether no transaction is incomplete. */
  get isAtBoundary() {
    return this.partial.size === 0;
  }
  /** Goes back to an older cursor. `ids` are the events after it that were already delivered. */
  rewind(cursor, ids) {
    this.cursor = cursor, this.partial.clear();
    for (let id of ids) this.resent.add(id);
  }
  /** Goes to an unrelated cursor and forgets what was delivered. */
  move(cursor) {
    this.cursor = cursor, this.partial.clear(), this.resent.clear();
  }
}, HubPosition = class extends Position {
  record(id) {
    return super.record(id), !0;
  }
};

// src/page-return.ts
function onPageReturn(listener) {
  if (typeof window > "u" || typeof document > "u") return () => {
  };
  let offline = !1, visible = () => document.visibilityState === "visible" && listener("visible", "the page is visible again"), shown = (event) => event.persisted && listener("interrupted", "the page was restored from the back/forward cache"), lost = () => {
    offline = !0;
  }, online = () => {
    listener(offline ? "interrupted" : "visible", "the network is back"), offline = !1;
  };
  return document.addEventListener("visibilitychange", visible), window.addEventListener("pageshow", shown), window.addEventListener("offline", lost), window.addEventListener("online", online), () => {
    document.removeEventListener("visibilitychange", visible), window.removeEventListener("pageshow", shown), window.removeEventListener("offline", lost), window.removeEventListener("online", online);
  };
}

// src/watchdog.ts
var Watchdog = class {
  constructor(onSilence) {
    this.onSilence = onSilence;
  }
  onSilence;
  timer;
  lastAt = 0;
  limit = 0;
  /** Watches until `stop`. Reports a silence of `limit` milliseconds. */
  watch(limit) {
    this.stop(), this.limit = limit, this.lastAt = Date.now(), this.timer = setTimeout(() => this.check(), limit);
  }
  /** Records that something arrived. */
  touch() {
    this.lastAt = Date.now();
  }
  /** Reports the silence if it has reached the limit. */
  check() {
    if (this.timer === void 0) return;
    clearTimeout(this.timer);
    let silence = Date.now() - this.lastAt;
    if (silence >= this.limit) {
      this.timer = void 0, this.onSilence(silence);
      return;
    }
    this.timer = setTimeout(() => this.check(), this.limit - Math.max(0, silence));
  }
  stop() {
    clearTimeout(this.timer), this.timer = void 0;
  }
};

// src/backoff.ts
var Backoff = class {
  /** The server's `retry:`, in milliseconds. The server adds the jitter. */
  retry;
  attempt = 0;
  initial;
  max;
  constructor(options = {}) {
    this.initial = options.initial ?? 1e3, this.max = Math.max(options.max ?? 3e4, this.initial);
  }
  /** Returns the next delay, in milliseconds. `retryAfter` is the server's `Retry-After`. */
  next(retryAfter) {
    let attempt = this.attempt++;
    if (retryAfter !== void 0) return retryAfter + Math.random() * Math.min(1e3, retryAfter / 4);
    if (attempt === 0 && this.retry !== void 0) return this.retry;
    let ceiling = Math.min(this.max, (this.retry ?? this.initial) * 2 ** Math.min(attempt, 30));
    return Math.random() * ceiling;
  }
  /** Counts the next failure as the first, after a connection that worked. */
  reset() {
    this.attempt = 0;
  }
};

// src/reader.ts
var Reader = class {
  // older events are replayed, where the server gave no number
  constructor(position, events) {
    this.position = position;
    this.events = events;
  }
  position;
  events;
  replaysLeft = 0;
  // replayed events that have yet to arrive
  replayedUntil = -1 / 0;
  frame(raw, id) {
    let envelope = parse(raw);
    if (!envelope) {
      this.events.error(new StreamError("skipped a frame that is not an event", { kind: "protocol", cause: raw.slice(0, 200) })), id !== null && this.position.complete(id);
      return;
    }
    if (envelope.type === "batch") return this.batch(envelope, id);
    if (envelope.id === void 0 && envelope.type === "sync") return this.sync(envelope, raw, id);
    if (envelope.id === void 0 && envelope.type === "heartbeat") return this.heartbeat(envelope, raw, id);
    this.event(envelope, raw, id);
  }
  event(event, raw, id) {
    let replayed = this.isReplayed(event), isNew = this.position.record(event.id);
    id !== null && this.position.complete(id), isNew ? this.events.deliver({ kind: "event", event, meta: { cursor: id, raw, receivedAt: Date.now(), replayed } }) : this.events.duplicate(id, event.id);
  }
  batch(envelope, id) {
    let inside = envelope.data?.events, events = Array.isArray(inside) ? inside.filter(isEnvelope) : [];
    events.forEach((event, i) => this.event(event, JSON.stringify(event), i === events.length - 1 ? id : null)), events.length === 0 && id !== null && this.position.complete(id);
  }
  sync(event, raw, id) {
    let data = event.data;
    this.replaysLeft = data.mode === "resumed" ? data.events ?? 0 : 0, this.replayedUntil = data.mode === "resumed" && data.events === void 0 ? event.timestamp : -1 / 0, this.position.interrupt(), data.mode === "reset" ? this.position.move(id) : id !== null && this.position.complete(id), this.events.deliver({ kind: "sync", event: { ...event, data }, meta: this.ownMeta(raw, id) });
  }
  heartbeat(event, raw, id) {
    id !== null && this.position.complete(id), this.events.deliver({ kind: "heartbeat", event: { ...event, data: {} }, meta: this.ownMeta(raw, id) });
  }
  ownMeta(raw, cursor) {
    return { cursor, raw, receivedAt: Date.now(), replayed: !1 };
  }
  isReplayed(event) {
    return this.replaysLeft > 0 ? (this.replaysLeft--, !0) : event.timestamp < this.replayedUntil;
  }
};
function parse(raw) {
  try {
    let value = JSON.parse(raw);
    return isEnvelope(value) ? value : null;
  } catch {
    return null;
  }
}
function isEnvelope(value) {
  return typeof value == "object" && value !== null && typeof value.type == "string";
}

// src/renewal.ts
var maxDelay = 2 ** 31 - 1, retryDelay = 5e3, Renewal = class {
  constructor(token, options, host) {
    this.token = token;
    this.options = options;
    this.host = host;
  }
  token;
  options;
  host;
  timer;
  abort;
  /** Starts with the first sync event of a stream. Without a token that expires it does nothing. */
  start({ connection, expires }) {
    this.stop(), !(connection === void 0 || expires === void 0) && this.schedule(connection, expires);
  }
  stop() {
    clearTimeout(this.timer), this.abort?.abort(), this.abort = void 0;
  }
  remaining(expires) {
    return expires - (Date.now() - this.host.clockSkew());
  }
  /** Schedules the renewal for when a fifth of the time is left, or a minute if that is more, but at most half of it. */
  schedule(connection, expires) {
    let remaining = this.remaining(expires), delay = Math.max(0, remaining - Math.max(remaining / 5, Math.min(6e4, remaining / 2)));
    this.host.debug(`the token expires in ${Math.round(remaining / 1e3)} s, renewing in ${Math.round(delay / 1e3)} s`), delay > maxDelay ? this.timer = setTimeout(() => this.schedule(connection, expires), maxDelay) : this.timer = setTimeout(() => {
      this.renew(connection, expires);
    }, delay);
  }
  async renew(connection, expires) {
    let abort = new AbortController();
    this.abort = abort;
    try {
      let token = await this.token({ reason: "renew" });
      if (abort.signal.aborted) return;
      let url = this.url(connection), headers = token === null ? {} : { Authorization: `Bearer ${token}` }, response = await fetch(url, { method: "POST", headers, credentials: this.options.credentials ?? "same-origin", signal: abort.signal }), body = response.ok ? await response.json() : {};
      if (abort.signal.aborted) return;
      if (response.status === 404) return this.host.reconnect("the server no longer has this stream");
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      this.host.debug("the token was renewed in place"), body.expires !== void 0 && this.schedule(connection, body.expires);
    } catch (error) {
      abort.signal.aborted || this.retry(connection, expires, error);
    }
  }
  url(connection) {
    let url = streamURL(this.options);
    return url.pathname = `${url.pathname.replace(/\/$/, "")}/${encodeURIComponent(connection)}/token`, url.search = "", url;
  }
  retry(connection, expires, error) {
    if (this.remaining(expires) <= retryDelay) return this.host.reconnect("the token could not be renewed in time");
    this.host.debug("the token could not be renewed, retrying", error), this.timer = setTimeout(() => {
      this.renew(connection, expires);
    }, retryDelay);
  }
};

// src/tokens.ts
var Tokens = class {
  constructor(callback) {
    this.callback = callback;
  }
  callback;
  reason = "connect";
  /** Resolves to the token for the next attempt, or to null without a callback. Rejects with a StreamError. */
  async next() {
    if (!this.callback) return null;
    try {
      return await this.callback({ reason: this.reason }) || null;
    } catch (cause) {
      throw new StreamError("the token callback threw", { kind: "token", cause });
    }
  }
  /** Records that the token in use has expired. */
  markExpired() {
    this.reason = "renew";
  }
  /** Records that the server rejected the token. Returns false if it rejected the previous one too: then a retry is useless. */
  markRejected() {
    return this.reason === "rejected" ? !1 : (this.reason = "rejected", !0);
  }
  /** Forgets earlier rejections, once the stream is open or has failed for the last time. */
  reset() {
    this.reason = "connect";
  }
};

// src/transport-eventsource.ts
var eventSourceTransport = (request, events) => {
  let abort = new AbortController(), source, end = (error) => {
    abort.signal.aborted || (abort.abort(), source?.close(), events.ended(error));
  };
  return (async () => {
    let url = request.token === null ? request.url : await withTicket(request, request.token, abort.signal);
    abort.signal.aborted || (source = listen(url, request, events, (opened) => {
      if (opened) return end(new StreamError("the connection broke", { kind: "network" }));
      explain(request, url, abort.signal).then(end);
    }));
  })().catch(
    (cause) => end(cause instanceof StreamError ? cause : new StreamError("fetch a ticket: no response", { kind: "network", cause }))
  ), () => {
    abort.abort(), source?.close();
  };
};
function listen(url, request, events, failed) {
  let source = new EventSource(url, { withCredentials: request.credentials === "include" }), opened = !1, last = "";
  return source.onopen = () => {
    opened = !0, events.bytesReceived();
  }, source.onmessage = (message) => {
    events.bytesReceived();
    let id = message.lastEventId === last ? null : message.lastEventId;
    last = message.lastEventId, events.frame(message.data, id);
  }, source.onerror = () => {
    source.close(), failed(opened);
  }, source;
}
async function withTicket(request, token, signal) {
  let url = new URL(request.url);
  url.pathname = url.pathname.replace(/\/[^/]*\/?$/, "/tickets"), url.search = "";
  let headers = { Authorization: `Bearer ${token}`, Accept: "application/json" }, response = await fetch(url, { method: "POST", headers, signal, credentials: request.credentials });
  if (!response.ok) throw await errorOfResponse(response, request.wasOpen);
  let { ticket } = await response.json(), ticketed = new URL(request.url);
  return ticketed.searchParams.set("ticket", ticket), ticketed;
}
async function explain(request, url, signal) {
  let unknown = (cause) => new StreamError("the connection failed", { kind: "network", cause });
  if (url.searchParams.has("ticket")) return unknown();
  try {
    let response = await fetch(url, { signal, credentials: request.credentials, cache: "no-store", headers: { Accept: "text/event-stream" } });
    return response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream") ? (response.body?.cancel().catch(() => {
    }), unknown()) : await errorOfResponse(response, request.wasOpen);
  } catch (cause) {
    return unknown(cause);
  }
}

// node_modules/eventsource-parser/dist/index.js
var ParseError = class extends Error {
  constructor(message, options) {
    super(message), this.name = "ParseError", this.type = options.type, this.field = options.field, this.value = options.value, this.line = options.line;
  }
}, LF = 10, CR = 13, SPACE = 32;
function noop(_arg) {
}
function createParser(config) {
  if (typeof config == "function")
    throw new TypeError(
      "`config` must be an object, got a function instead. Did you mean `createParser({onEvent: fn})`?"
    );
  let { onEvent = noop, onError = noop, onRetry = noop, onComment, maxBufferSize } = config, pendingFragments = [], pendingFragmentsLength = 0, isFirstChunk = !0, id, data = "", dataLines = 0, eventType, terminated = !1;
  function feed(chunk) {
    if (terminated)
      throw new Error(
        "Cannot feed parser: it was terminated after exceeding the configured max buffer size. Call `reset()` to resume parsing."
      );
    if (isFirstChunk && (isFirstChunk = !1, chunk.charCodeAt(0) === 239 && chunk.charCodeAt(1) === 187 && chunk.charCodeAt(2) === 191 && (chunk = chunk.slice(3))), pendingFragments.length === 0) {
      let trailing2 = processLines(chunk);
      trailing2 !== "" && (pendingFragments.push(trailing2), pendingFragmentsLength = trailing2.length), checkBufferSize();
      return;
    }
    if (chunk.indexOf(`
`) === -1 && chunk.indexOf("\r") === -1) {
      pendingFragments.push(chunk), pendingFragmentsLength += chunk.length, checkBufferSize();
      return;
    }
    pendingFragments.push(chunk);
    let input = pendingFragments.join("");
    pendingFragments.length = 0, pendingFragmentsLength = 0;
    let trailing = processLines(input);
    trailing !== "" && (pendingFragments.push(trailing), pendingFragmentsLength = trailing.length), checkBufferSize();
  }
  function checkBufferSize() {
    maxBufferSize !== void 0 && (pendingFragmentsLength + data.length <= maxBufferSize || (terminated = !0, pendingFragments.length = 0, pendingFragmentsLength = 0, id = void 0, data = "", dataLines = 0, eventType = void 0, onError(
      new ParseError(`Buffered data exceeded max buffer size of ${maxBufferSize} characters`, {
        type: "max-buffer-size-exceeded"
      })
    )));
  }
  function processLines(chunk) {
    let searchIndex = 0;
    if (chunk.indexOf("\r") === -1) {
      let lfIndex = chunk.indexOf(`
`, searchIndex);
      for (; lfIndex !== -1; ) {
        if (searchIndex === lfIndex) {
          dataLines > 0 && onEvent({ id, event: eventType, data }), id = void 0, data = "", dataLines = 0, eventType = void 0, searchIndex = lfIndex + 1, lfIndex = chunk.indexOf(`
`, searchIndex);
          continue;
        }
        let firstCharCode = chunk.charCodeAt(searchIndex);
        if (isDataPrefix(chunk, searchIndex, firstCharCode)) {
          let valueStart = chunk.charCodeAt(searchIndex + 5) === SPACE ? searchIndex + 6 : searchIndex + 5, value = chunk.slice(valueStart, lfIndex);
          if (dataLines === 0 && chunk.charCodeAt(lfIndex + 1) === LF) {
            onEvent({ id, event: eventType, data: value }), id = void 0, data = "", eventType = void 0, searchIndex = lfIndex + 2, lfIndex = chunk.indexOf(`
`, searchIndex);
            continue;
          }
          data = dataLines === 0 ? value : `${data}
${value}`, dataLines++;
        } else isEventPrefix(chunk, searchIndex, firstCharCode) ? eventType = chunk.slice(
          chunk.charCodeAt(searchIndex + 6) === SPACE ? searchIndex + 7 : searchIndex + 6,
          lfIndex
        ) || void 0 : parseLine(chunk, searchIndex, lfIndex);
        searchIndex = lfIndex + 1, lfIndex = chunk.indexOf(`
`, searchIndex);
      }
      return chunk.slice(searchIndex);
    }
    for (; searchIndex < chunk.length; ) {
      let crIndex = chunk.indexOf("\r", searchIndex), lfIndex = chunk.indexOf(`
`, searchIndex), lineEnd = -1;
      if (crIndex !== -1 && lfIndex !== -1 ? lineEnd = crIndex < lfIndex ? crIndex : lfIndex : crIndex !== -1 ? crIndex === chunk.length - 1 ? lineEnd = -1 : lineEnd = crIndex : lfIndex !== -1 && (lineEnd = lfIndex), lineEnd === -1)
        break;
      parseLine(chunk, searchIndex, lineEnd), searchIndex = lineEnd + 1, chunk.charCodeAt(searchIndex - 1) === CR && chunk.charCodeAt(searchIndex) === LF && searchIndex++;
    }
    return chunk.slice(searchIndex);
  }
  function parseLine(chunk, start, end) {
    if (start === end) {
      dispatchEvent();
      return;
    }
    let firstCharCode = chunk.charCodeAt(start);
    if (isDataPrefix(chunk, start, firstCharCode)) {
      let valueStart = chunk.charCodeAt(start + 5) === SPACE ? start + 6 : start + 5, value2 = chunk.slice(valueStart, end);
      data = dataLines === 0 ? value2 : `${data}
${value2}`, dataLines++;
      return;
    }
    if (isEventPrefix(chunk, start, firstCharCode)) {
      eventType = chunk.slice(chunk.charCodeAt(start + 6) === SPACE ? start + 7 : start + 6, end) || void 0;
      return;
    }
    if (firstCharCode === 105 && chunk.charCodeAt(start + 1) === 100 && chunk.charCodeAt(start + 2) === 58) {
      let value2 = chunk.slice(chunk.charCodeAt(start + 3) === SPACE ? start + 4 : start + 3, end);
      value2.includes("\0") || (id = value2);
      return;
    }
    if (firstCharCode === 58) {
      if (onComment) {
        let line2 = chunk.slice(start, end);
        onComment(line2.slice(chunk.charCodeAt(start + 1) === SPACE ? 2 : 1));
      }
      return;
    }
    let line = chunk.slice(start, end), fieldSeparatorIndex = line.indexOf(":");
    if (fieldSeparatorIndex === -1) {
      processField(line, "", line);
      return;
    }
    let field = line.slice(0, fieldSeparatorIndex), offset = line.charCodeAt(fieldSeparatorIndex + 1) === SPACE ? 2 : 1, value = line.slice(fieldSeparatorIndex + offset);
    processField(field, value, line);
  }
  function processField(field, value, line) {
    switch (field) {
      case "event":
        eventType = value || void 0;
        break;
      case "data":
        data = dataLines === 0 ? value : `${data}
${value}`, dataLines++;
        break;
      case "id":
        value.includes("\0") || (id = value);
        break;
      case "retry":
        /^\d+$/.test(value) ? onRetry(parseInt(value, 10)) : onError(
          new ParseError(`Invalid \`retry\` value: "${value}"`, {
            type: "invalid-retry",
            value,
            line
          })
        );
        break;
      default:
        onError(
          new ParseError(
            `Unknown field "${field.length > 20 ? `${field.slice(0, 20)}…` : field}"`,
            { type: "unknown-field", field, value, line }
          )
        );
        break;
    }
  }
  function dispatchEvent() {
    dataLines > 0 && onEvent({
      id,
      event: eventType,
      data
    }), id = void 0, data = "", dataLines = 0, eventType = void 0;
  }
  function reset(options = {}) {
    if (options.consume && pendingFragments.length > 0) {
      let incompleteLine = pendingFragments.join("");
      parseLine(incompleteLine, 0, incompleteLine.length);
    }
    isFirstChunk = !0, id = void 0, data = "", dataLines = 0, eventType = void 0, pendingFragments.length = 0, pendingFragmentsLength = 0, terminated = !1;
  }
  return { feed, reset };
}
function isDataPrefix(chunk, i, firstCharCode) {
  return firstCharCode === 100 && chunk.charCodeAt(i + 1) === 97 && chunk.charCodeAt(i + 2) === 116 && chunk.charCodeAt(i + 3) === 97 && chunk.charCodeAt(i + 4) === 58;
}
function isEventPrefix(chunk, i, firstCharCode) {
  return firstCharCode === 101 && chunk.charCodeAt(i + 1) === 118 && chunk.charCodeAt(i + 2) === 101 && chunk.charCodeAt(i + 3) === 110 && chunk.charCodeAt(i + 4) === 116 && chunk.charCodeAt(i + 5) === 58;
}

// src/transport-fetch.ts
var fetchTransport = (request, events) => {
  let abort = new AbortController(), isEnded = !1, end = (error) => {
    isEnded || (isEnded = !0, events.ended(error));
  };
  return read(request, events, abort.signal, () => isEnded).then(
    end,
    (cause) => end(cause instanceof StreamError ? cause : new StreamError("the connection failed or broke", { kind: "network", cause }))
  ), () => {
    isEnded = !0, abort.abort();
  };
};
async function read(request, events, signal, isEnded) {
  let headers = { ...request.headers, Accept: "text/event-stream" };
  request.token !== null && (headers.Authorization = `Bearer ${request.token}`);
  let response = await fetch(request.url, { headers, signal, credentials: request.credentials, cache: "no-store" });
  if (isEnded()) return null;
  if (!(response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream")) || !response.body) return errorOfResponse(response, request.wasOpen);
  events.bytesReceived();
  let parser = createParser({
    onEvent: ({ data, id }) => isEnded() || events.frame(data, id ?? null),
    onRetry: (milliseconds) => isEnded() || events.retry(milliseconds)
  }), reader = response.body.getReader(), decoder = new TextDecoder();
  for (; ; ) {
    let { done, value } = await reader.read();
    if (isEnded() || done) return null;
    events.bytesReceived(), parser.feed(decoder.decode(value, { stream: !0 }));
  }
}

// src/connection.ts
var minUptime = 5e3, Connection = class {
  constructor(options, sink, debug, position = new Position(options.since ?? null)) {
    this.options = options;
    this.sink = sink;
    this.debug = debug;
    this.position = position;
    this.backoff = new Backoff(options.backoff), this.transport = options.transport === "eventsource" ? eventSourceTransport : fetchTransport, this.tokens = new Tokens(options.token), options.token && (this.renewal = new Renewal(options.token, options, {
      clockSkew: () => this.skew ?? 0,
      reconnect: (why) => this.changeToken(why),
      debug
    }));
  }
  options;
  sink;
  debug;
  position;
  backoff;
  transport;
  watchdog = new Watchdog((silence) => this.onSilence(silence));
  tokens;
  renewal;
  status = "closed";
  wasOpen = !1;
  openedAt = 0;
  skew;
  notBefore = 0;
  // the end of a Retry-After
  isWaiting = !1;
  // for the timer of the next attempt
  timer;
  abortAttempt;
  stopWatchingPage;
  get cursor() {
    return this.position.cursor;
  }
  connect() {
    this.status === "closed" && (this.stopWatchingPage = onPageReturn((how, cause) => this.onReturn(how, cause)), this.attempt());
  }
  reconnect() {
    if (this.status === "closed") return this.connect();
    this.backoff.reset(), this.attempt();
  }
  restart(cursor) {
    this.abort(), this.position.move(cursor), this.debug(cursor === null ? "continuing with new events" : `continuing after the cursor ${cursor}`), this.status !== "closed" && this.attempt();
  }
  close() {
    this.status !== "closed" && (this.abort(), this.stopWatchingPage?.(), this.debug("closed"), this.setStatus("closed", null));
  }
  /** Makes a delayed attempt now, since the user looks at a page. `cause` is for the debug log. */
  retryNow(cause) {
    this.status !== "closed" && this.onReturn("visible", cause);
  }
  setStatus(status, retryAt) {
    this.status = status, this.sink.status(status, retryAt);
  }
  /** Ends the current connection or attempt, with its timers and its renewal. */
  abort() {
    clearTimeout(this.timer), this.isWaiting = !1, this.watchdog.stop(), this.renewal?.stop(), this.abortAttempt?.(), this.abortAttempt = void 0, this.position.interrupt();
  }
  /** Makes an attempt to connect, and ends the previous one. */
  attempt() {
    this.abort();
    let isCurrent = !0;
    this.abortAttempt = () => {
      isCurrent = !1;
    }, this.watchdog.watch(this.options.connectTimeout ?? 3e4), this.setStatus(this.wasOpen ? "reconnecting" : "connecting", null), !(this.status === "closed" || !isCurrent) && this.tokens.next().then(
      (token) => isCurrent && this.open(token),
      (error) => isCurrent && this.onFailure(error)
    );
  }
  open(token) {
    let url;
    try {
      url = this.requestURL();
    } catch (cause) {
      return this.onFailure(new StreamError(cause.message, { kind: "setup", fatal: !0, cause }));
    }
    this.debug(`connecting to ${url.pathname}, ${this.cursor === null ? "for new events" : `after the cursor ${this.cursor}`}`);
    let reader = new Reader(this.position, {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: (cursor, id) => this.sink.duplicate(cursor, id),
      error: (error) => this.sink.error(error)
    }), { headers = {}, credentials = "same-origin" } = this.options;
    this.abortAttempt = this.transport(
      { url, token, headers, credentials, wasOpen: this.wasOpen },
      {
        bytesReceived: () => this.watchdog.touch(),
        retry: (milliseconds) => {
          this.backoff.retry = milliseconds;
        },
        frame: (data, id) => reader.frame(data, id),
        ended: (error) => this.onEnd(error, token !== null)
      }
    );
  }
  /** Returns the URL with the cursor as a parameter: the header Last-Event-ID would need a CORS preflight. */
  requestURL() {
    let url = streamURL(this.options);
    return this.cursor !== null && url.searchParams.set(this.wasOpen ? "lastEventId" : "since", this.cursor), url;
  }
  deliver(delivery) {
    if (delivery.kind !== "event") {
      let ahead = delivery.meta.receivedAt - delivery.event.timestamp;
      this.skew = Math.min(this.skew ?? 1 / 0, ahead);
    }
    delivery.kind === "sync" ? this.onSync(delivery) : this.sink.deliver(delivery);
  }
  onSync(delivery) {
    let { mode } = delivery.event.data;
    this.status !== "open" && mode !== "expired" && mode !== "draining" && this.onOpen(delivery), this.sink.deliver(delivery), mode === "reset" && this.debug(`reset (${delivery.event.data.reason}): the server cannot resume at this cursor, everything must be fetched again`), mode === "draining" && (this.debug("the server is draining"), this.backoff.reset()), mode === "expired" && this.status !== "closed" && this.changeToken("the token has expired");
  }
  /** Reconnects with a new token. */
  changeToken(why) {
    this.debug(why), this.tokens.markExpired(), this.attempt();
  }
  onOpen(delivery) {
    this.wasOpen = !0, this.openedAt = Date.now(), this.tokens.reset(), this.watchdog.watch(this.options.heartbeatTimeout ?? 7e4), this.renewal?.start(delivery.event.data), this.debug(`open: ${delivery.event.data.mode}`, delivery.event.data), this.setStatus("open", null);
  }
  onEnd(error, hadToken) {
    if (this.status === "open" && Date.now() - this.openedAt >= minUptime && this.backoff.reset(), error?.status === 401 && hadToken && this.tokens.markRejected())
      return this.debug("the server rejected the token: getting another"), this.attempt();
    this.onFailure(error);
  }
  onFailure(error) {
    if (this.abort(), error?.fatal)
      return this.debug(`giving up: ${error.message}`, error), this.tokens.reset(), this.stopWatchingPage?.(), this.sink.error(error), this.setStatus("closed", null);
    let delay = this.backoff.next(error?.retryAfter), retryAt = Date.now() + delay;
    this.notBefore = error?.retryAfter === void 0 ? 0 : retryAt, this.debug(`${error?.message ?? "the server ended the stream"}: retrying in ${Math.round(delay)} ms`, error ?? void 0), this.isWaiting = !0, this.timer = setTimeout(() => this.attempt(), delay), error && (error.retryAt = retryAt, this.sink.error(error)), this.status !== "closed" && this.setStatus(this.wasOpen ? "reconnecting" : "connecting", retryAt);
  }
  onSilence(silence) {
    let message = this.status === "open" ? "no event or heartbeat arrived" : "the stream did not open";
    this.onFailure(new StreamError(`${message} within ${Math.round(silence / 1e3)} s`, { kind: "silent" }));
  }
  onReturn(how, cause) {
    if (how === "visible" && !this.isWaiting) return this.watchdog.check();
    if (Date.now() < this.notBefore) return this.debug(`${cause}, but Retry-After is not over`);
    this.debug(`${cause}: connecting now`), this.reconnect();
  }
};

// src/shared/messages.ts
function packError(error) {
  let { message, kind, fatal, status, code, problem, retryAfter } = error;
  return { message, details: { kind, fatal, status, code, problem, retryAfter } };
}
function unpackError({ message, details }) {
  return new StreamError(message, details);
}

// src/shared/hub.ts
var Hub = class {
  constructor(options, position, debug, broadcast) {
    this.position = position;
    this.broadcast = broadcast;
    this.connection = new Connection(
      options,
      {
        deliver: (delivery) => this.post({ kind: "deliver", delivery }),
        duplicate: (cursor) => cursor !== null && this.post({ kind: "position", cursor }),
        status: (status, retryAt) => this.setStatus(status, retryAt),
        error: (error) => this.post({ kind: "error", ...packError(error) }),
        role: () => {
        }
      },
      debug,
      position
    );
  }
  position;
  broadcast;
  id = crypto.randomUUID();
  connection;
  outbox = [];
  status = "connecting";
  retryAt = null;
  isClosed = !1;
  open() {
    this.postState(), this.connection.connect();
  }
  /** Posts the hub's position and status, to one member or to all. */
  postState(to) {
    let { cursor, isAtBoundary } = this.position;
    this.post({ kind: "state", to, status: this.status, retryAt: this.retryAt, cursor, isAtBoundary });
  }
  /** Makes a delayed attempt now, since the user looks at another tab. */
  retryNow() {
    this.connection.retryNow("another tab is visible");
  }
  reconnect() {
    this.connection.reconnect();
  }
  close() {
    this.isClosed = !0, this.connection.close();
  }
  setStatus(status, retryAt) {
    this.status = status, this.retryAt = retryAt, this.post({ kind: "status", status, retryAt });
  }
  /** Collects the messages of one task and broadcasts them together. */
  post(message) {
    this.isClosed || (this.outbox.push({ ...message, hub: this.id }), !(this.outbox.length > 1) && queueMicrotask(() => {
      let messages = this.outbox;
      this.outbox = [], this.isClosed || this.broadcast(messages);
    }));
  }
};

// src/shared/backlog.ts
var Backlog = class {
  constructor(before, isAtBoundary) {
    this.before = before;
    this.isPartial = !isAtBoundary, this.start = isAtBoundary ? before : null;
  }
  before;
  transactions = [];
  incomplete = [];
  start;
  /** The first transaction lacks its beginning, so that only its cursor is usable. */
  isPartial;
  add(delivery) {
    let { cursor } = delivery.meta;
    if (delivery.kind === "sync" && delivery.event.data.mode === "reset" && cursor !== null) return this.restart(cursor);
    this.incomplete.push(delivery), cursor !== null && this.complete(cursor);
  }
  complete(cursor) {
    if (cursor !== (this.isPartial ? this.before : this.newest)) {
      if (this.isPartial) return this.restart(cursor);
      this.transactions.push({ deliveries: this.incomplete, cursor }), this.incomplete = [], this.transactions.length > 2e3 && (this.start = this.transactions.shift().cursor);
    }
  }
  /** The hub's cursor. */
  get newest() {
    return this.transactions.at(-1)?.cursor ?? this.start;
  }
  /** Returns what the hub delivered after a cursor; undefined if the backlog does not reach back to it. */
  after(cursor) {
    if (cursor === null || this.isPartial) return;
    let i = this.transactions.findLastIndex((transaction) => transaction.cursor === cursor);
    if (!(i < 0 && cursor !== this.start))
      return [...this.transactions.slice(i + 1).flatMap((transaction) => transaction.deliveries), ...this.incomplete];
  }
  restart(cursor) {
    this.isPartial = !1, this.start = cursor, this.transactions = [], this.incomplete = [];
  }
};

// src/shared/trail.ts
var Trail = class {
  constructor(limit = 1e3) {
    this.limit = limit;
  }
  limit;
  steps = [];
  partial = [];
  addEvent(id) {
    id !== void 0 && this.partial.push(id);
  }
  addCursor(cursor) {
    this.steps.at(-1)?.cursor !== cursor && (this.steps.push({ cursor, ids: this.partial }), this.partial = [], this.steps.length > this.limit && this.steps.shift());
  }
  /** Returns the events since a cursor; undefined if the trail does not have the cursor. */
  since(cursor) {
    let i = this.steps.findLastIndex((step) => step.cursor === cursor);
    if (!(i < 0))
      return [...this.steps.slice(i + 1).flatMap((step) => step.ids), ...this.partial];
  }
  /** Starts again at a cursor. */
  restart(cursor) {
    this.steps = cursor === null ? [] : [{ cursor, ids: [] }], this.partial = [];
  }
};

// src/shared/member.ts
var Member = class {
  constructor(options, position, sink, debug) {
    this.options = options;
    this.position = position;
    this.sink = sink;
    this.debug = debug;
    this.trail.restart(position.cursor);
  }
  options;
  position;
  sink;
  debug;
  trail = new Trail();
  hub;
  // the hub that has sent its position
  hubStatus = "connecting";
  hubRetryAt = null;
  backlog;
  // during a catch-up
  direct;
  // during a catch-up
  isSkipping = !1;
  // the rest of a transaction whose beginning was not received
  wasOpen = !1;
  get isFollowing() {
    return this.hub !== void 0 && !this.backlog;
  }
  /** Processes a message of a hub. Apart from `state`, messages of other hubs are ignored. */
  receive(message) {
    if (message.kind === "state") return this.onState(message);
    if (message.hub === this.hub)
      switch (message.kind) {
        case "status":
          return this.hubStatus = message.status, this.hubRetryAt = message.retryAt, this.isFollowing ? this.publishStatus() : void 0;
        case "error":
          return this.isFollowing ? this.sink.error(unpackError(message)) : void 0;
        case "position":
          return this.backlog ? (this.backlog.complete(message.cursor), this.tryFollow()) : this.advance(message.cursor);
        case "deliver":
          if (!this.backlog) return this.onDelivery(message.delivery);
          this.backlog.add(message.delivery), message.delivery.meta.cursor !== null && this.tryFollow();
      }
  }
  /** Goes to another cursor. The caller must then request the hub's state. */
  move(cursor) {
    this.stop(), this.position.move(cursor), this.trail.restart(cursor);
  }
  /** Ignores the hub until one sends its state. */
  stop() {
    this.hub = void 0, this.closeDirect();
  }
  reconnect() {
    this.direct?.reconnect();
  }
  onState(hub) {
    if (hub.hub === this.hub && this.direct) return;
    if (this.hub = hub.hub, this.hubStatus = hub.status, this.hubRetryAt = hub.retryAt, this.position.interrupt(), this.position.cursor === null) return this.adoptCursor(hub.cursor, hub.isAtBoundary);
    let backlog = new Backlog(hub.cursor, hub.isAtBoundary);
    this.backlog = backlog, this.tryFollow(), this.backlog === backlog && !this.direct && this.catchUp();
  }
  /** Starts at the hub's cursor, since the member has none. */
  adoptCursor(cursor, isAtBoundary) {
    this.isSkipping = !isAtBoundary, this.position.move(cursor), this.trail.restart(cursor), this.startFollowing();
  }
  /** Follows the hub if the member is at a cursor that the hub has or had, or the hub at one that the member had. */
  tryFollow() {
    let { backlog } = this;
    if (!backlog) return;
    let missed = backlog.after(this.position.cursor);
    if (missed) {
      this.startFollowing();
      for (let delivery of missed) this.onDelivery(delivery);
      return;
    }
    let ahead = backlog.newest === null ? void 0 : this.trail.since(backlog.newest), rest = backlog.after(backlog.newest);
    if (!(!ahead || !rest)) {
      this.debug(`the other tab is ${ahead.length} events behind: dropping those`), this.startFollowing(), this.position.rewind(backlog.newest, ahead), this.trail.restart(backlog.newest);
      for (let delivery of rest) this.onDelivery(delivery);
    }
  }
  startFollowing() {
    this.debug("following the shared connection"), this.closeDirect(), this.sink.role("follower"), this.publishStatus();
  }
  /** Closes the member's own connection. Its closing is not reported. */
  closeDirect() {
    let { direct } = this;
    this.direct = this.backlog = void 0, direct?.close(), this.position.interrupt();
  }
  catchUp() {
    this.debug("the other tab is at another position: catching up on an own connection"), this.sink.role("catching-up");
    let direct = new Connection(
      this.options,
      {
        deliver: (delivery) => this.direct === direct && this.onDirectDelivery(delivery),
        duplicate: (cursor, id) => {
          this.direct === direct && (this.sink.duplicate(cursor, id), this.trail.addEvent(id), cursor !== null && this.onDirectCursor(cursor));
        },
        status: (status, retryAt) => this.direct === direct && this.setStatus(status, retryAt),
        error: (error) => this.direct === direct && this.sink.error(error),
        role: () => {
        }
      },
      () => {
      },
      // its lines would be mistaken for the shared connection's
      this.position
    );
    this.direct = direct, direct.connect();
  }
  /** Delivers from the member's own connection, which has moved the position already. */
  onDirectDelivery(delivery) {
    delivery.kind === "sync" && delivery.event.data.mode === "reset" && this.trail.restart(null), delivery.kind === "event" && this.trail.addEvent(delivery.event.id), this.sink.deliver(delivery), delivery.meta.cursor !== null && this.onDirectCursor(delivery.meta.cursor);
  }
  onDirectCursor(cursor) {
    this.trail.addCursor(cursor), this.tryFollow();
  }
  /** Delivers from the hub, and moves the position. */
  onDelivery(delivery) {
    let { kind, event, meta } = delivery;
    kind === "sync" && event.data.mode === "reset" && (this.position.move(meta.cursor), this.trail.restart(meta.cursor)), kind === "sync" && this.position.interrupt();
    let isSkipped = this.isSkipping && kind === "event", isNew = !isSkipped && (kind !== "event" || this.position.record(event.id));
    kind === "event" && !isSkipped && this.trail.addEvent(event.id), meta.cursor !== null && this.advance(meta.cursor), isNew ? this.sink.deliver(delivery) : isSkipped || this.sink.duplicate(meta.cursor, event.id);
  }
  advance(cursor) {
    cursor !== this.position.cursor && (this.isSkipping = !1), this.position.complete(cursor), this.trail.addCursor(cursor);
  }
  publishStatus() {
    this.setStatus(this.hubStatus, this.hubRetryAt);
  }
  setStatus(status, retryAt) {
    status === "open" && (this.wasOpen = !0), this.sink.status(status === "connecting" && this.wasOpen ? "reconnecting" : status, retryAt);
  }
};

// src/shared/shared.ts
var leaderTimeout = 5e3;
function canShare() {
  return typeof document > "u" || typeof BroadcastChannel != "function" ? !1 : !!navigator.locks && globalThis.origin !== "null";
}
function groupOf(options) {
  let { shared = options.token === void 0, token } = options;
  if (shared === !1 || shared === "" || !canShare()) return null;
  if (shared === !0 && token)
    throw new TypeError("tabs with different tokens must not share a connection: name the group, as in shared: userId");
  return shared === !0 ? "" : shared;
}
var SharedSource = class {
  constructor(options, group, sink, debug) {
    this.options = options;
    this.debug = debug;
    this.name = `pgherald ${group} ${streamURL(options)}`, this.sink = {
      ...sink,
      role: (role) => sink.role(this.hub ? "leader" : role),
      status: (status, retryAt) => {
        sink.status(status, retryAt), status === "closed" && this.isConnected && this.close();
      }
    }, this.member = new Member(options, new Position(options.since ?? null), this.sink, debug);
  }
  options;
  debug;
  id = crypto.randomUUID();
  name;
  sink;
  member;
  watchdog = new Watchdog(() => this.queryLeader());
  channel;
  hub;
  lockAbort;
  // releases the lock, or the request for it
  answerTimer;
  stopWatchingPage;
  isConnected = !1;
  get cursor() {
    return this.member.position.cursor;
  }
  connect() {
    this.isConnected || (this.isConnected = !0, this.stopWatchingPage = this.watchPage(), this.sink.status("connecting", null), this.isConnected && this.openChannel());
  }
  reconnect() {
    if (!this.isConnected) return this.connect();
    this.member.reconnect(), this.hub ? this.hub.reconnect() : this.send({ kind: "reconnect", from: this.id });
  }
  restart(cursor) {
    this.member.move(cursor), this.isConnected && (this.hub ? this.hub.postState(this.id) : this.queryLeader());
  }
  close() {
    this.isConnected && (this.isConnected = !1, this.stopWatchingPage?.(), this.closeChannel(), this.sink.status("closed", null));
  }
  watchPage() {
    let stopWatchingPage = onPageReturn(() => {
      this.hub || this.send({ kind: "retry-now", from: this.id });
    }), hide = () => this.closeChannel(), show = (event) => event.persisted && this.openChannel();
    return window.addEventListener("pagehide", hide), window.addEventListener("pageshow", show), () => {
      stopWatchingPage(), window.removeEventListener("pagehide", hide), window.removeEventListener("pageshow", show);
    };
  }
  openChannel() {
    this.channel || (this.channel = new BroadcastChannel(this.name), this.channel.onmessage = ({ data }) => data.forEach((message) => this.onMessage(message)), this.lockAbort = new AbortController(), this.requestLock(this.lockAbort.signal, !1), this.queryLeader());
  }
  closeChannel() {
    clearTimeout(this.answerTimer), this.watchdog.stop(), this.lockAbort?.abort(), this.member.stop(), this.hub?.close(), this.hub = void 0, this.channel?.close(), this.channel = void 0;
  }
  /** Requests the lock, and holds it until `signal` or until another tab steals it. */
  requestLock(signal, steal) {
    let lead = () => new Promise((release) => {
      if (signal.aborted) return release();
      signal.addEventListener("abort", () => release()), this.lead();
    }), options = steal ? { steal } : { signal };
    navigator.locks.request(this.name, options, lead).catch((error) => {
      if (!signal.aborted) {
        if (error.name !== "AbortError")
          return this.debug("the browser refused the lock: connecting without the other tabs", error), this.lead();
        this.hub && this.debug("another tab took over, since this one did not respond"), this.hub?.close(), this.hub = void 0, this.member.stop(), this.requestLock(signal, !1), this.queryLeader();
      }
    });
  }
  lead() {
    if (this.hub) return;
    this.debug("leading: this tab has the connection of all tabs"), clearTimeout(this.answerTimer), this.watchdog.stop();
    let hub = new Hub(this.options, new HubPosition(this.cursor), this.debug, (messages) => {
      if (this.hub === hub) {
        this.channel?.postMessage(messages);
        for (let message of messages) this.onHubMessage(message);
      }
    });
    this.hub = hub, this.sink.role("leader"), hub.open();
  }
  /** Requests the leader's state. A leader that does not respond is frozen: this tab steals the lock. */
  queryLeader() {
    this.hub || (this.send({ kind: "query-state", from: this.id }), clearTimeout(this.answerTimer), this.answerTimer = setTimeout(() => {
      this.hub || !this.lockAbort || (this.debug("the leading tab does not respond: taking over"), this.requestLock(this.lockAbort.signal, !0));
    }, leaderTimeout));
  }
  onMessage(message) {
    if (message.kind === "query-state") return this.hub?.postState(message.from);
    if (message.kind === "retry-now") return this.hub?.retryNow();
    if (message.kind === "reconnect") return this.hub?.reconnect();
    this.hub || (clearTimeout(this.answerTimer), this.watchdog.watch((this.options.heartbeatTimeout ?? 7e4) + 2e4), this.onHubMessage(message));
  }
  onHubMessage(message) {
    message.kind === "state" && message.to !== void 0 && message.to !== this.id || this.member.receive(message);
  }
  send(message) {
    this.channel?.postMessage([message]);
  }
};

// src/debug.ts
function debugOf(option) {
  return typeof option == "function" ? option : option ? (line, detail) => {
    detail === void 0 ? console.debug(`pgherald: ${line}`) : console.debug(`pgherald: ${line}`, detail);
  } : () => {
  };
}

// src/emitter.ts
var Emitter = class {
  listeners = /* @__PURE__ */ new Map();
  /** Adds a listener and returns a function that removes it. A function added twice is called twice. */
  on(key, listener) {
    let entry = (...args) => listener(...args), set = this.listeners.get(key);
    return set || this.listeners.set(key, set = /* @__PURE__ */ new Set()), set.add(entry), () => {
      set.delete(entry);
    };
  }
  has(key) {
    return (this.listeners.get(key)?.size ?? 0) > 0;
  }
  emit(key, ...args) {
    let set = this.listeners.get(key);
    if (set)
      for (let listener of [...set])
        set.has(listener) && call(() => listener(...args));
  }
};
function call(fn) {
  try {
    fn();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

// src/stats.ts
function newStats() {
  return {
    opens: 0,
    reconnects: 0,
    resets: 0,
    events: 0,
    duplicates: 0,
    heartbeats: 0,
    openedAt: null,
    lastEventAt: null,
    retryAt: null,
    clockSkew: null,
    role: "own"
  };
}

// src/stream.ts
function createEventStream(options = {}) {
  checkOptions(options);
  let stream = new Stream(options);
  return (options.autoConnect ?? !0) && stream.connect(), stream;
}
var Stream = class {
  source;
  // Each listener takes the event of its type, which the type of a map cannot express.
  events = new Emitter();
  signals = new Emitter();
  oversized = new Emitter();
  counters = newStats();
  currentStatus = "closed";
  lastError = null;
  constructor(options) {
    options.onEvent && this.on("*", options.onEvent), options.onStatus && this.onStatus(options.onStatus), options.onReset && this.onReset(options.onReset), options.onOversized && this.onOversized(options.onOversized), options.onError && this.onError(options.onError);
    let sink = {
      deliver: (delivery) => this.deliver(delivery),
      duplicate: () => this.counters.duplicates++,
      status: (status, retryAt) => this.setStatus(status, retryAt),
      error: (error) => this.onFailure(error),
      role: (role) => {
        this.counters.role = role;
      }
    }, group = groupOf(options), debug = debugOf(options.debug);
    this.source = group === null ? new Connection(options, sink, debug) : new SharedSource(options, group, sink, debug);
  }
  get status() {
    return this.currentStatus;
  }
  get lastEventId() {
    return this.source.cursor;
  }
  get error() {
    return this.lastError;
  }
  get stats() {
    return { ...this.counters };
  }
  on(type, listener) {
    return this.events.on(type, listener);
  }
  onStatus(listener) {
    return this.signals.on("status", listener);
  }
  onReset(listener) {
    return this.signals.on("reset", listener);
  }
  onOversized(listener) {
    return this.oversized.on("oversized", listener);
  }
  onError(listener) {
    return this.signals.on("error", listener);
  }
  connect() {
    this.source.connect();
  }
  reconnect() {
    this.source.reconnect();
  }
  restart(cursor) {
    this.source.restart(cursor);
  }
  close() {
    this.source.close();
  }
  deliver({ kind, event, meta }) {
    if (kind !== "event" && this.measureSkew(meta.receivedAt - event.timestamp), kind === "event" && this.count(meta), kind === "heartbeat" && this.counters.heartbeats++, kind === "event" && event.oversized === !0) return this.deliverOversized(event, meta);
    this.events.emit(event.type, event, meta), kind === "event" && this.events.emit("*", event, meta), kind === "sync" && event.data.mode === "reset" && (this.counters.resets++, this.signals.emit("reset", { reason: event.data.reason ?? "unknown" }));
  }
  /** Delivers an event without its data. A reset replaces it if nothing listens, so that no loss is silent. */
  deliverOversized(event, meta) {
    if (this.oversized.has("oversized")) return this.oversized.emit("oversized", event, meta);
    this.counters.resets++, this.signals.emit("reset", { reason: "oversized" });
  }
  setStatus(status, retryAt) {
    this.counters.retryAt = retryAt, !(status === this.currentStatus && status !== "open") && (status === "open" && this.onOpen(), this.currentStatus = status, this.signals.emit("status", status));
  }
  onFailure(error) {
    this.lastError = error, this.signals.emit("error", error);
  }
  onOpen() {
    this.counters.opens++ > 0 && this.counters.reconnects++, this.counters.openedAt = Date.now(), this.lastError = null;
  }
  count(meta) {
    this.counters.events++, this.counters.lastEventAt = meta.receivedAt;
  }
  measureSkew(ahead) {
    this.counters.clockSkew = Math.min(this.counters.clockSkew ?? 1 / 0, ahead);
  }
};

// src/schedule.ts
function schedule(task) {
  if (typeof requestAnimationFrame != "function") {
    let timer2 = setTimeout(task, 16);
    return () => clearTimeout(timer2);
  }
  let cancel = () => {
    cancelAnimationFrame(frame), clearTimeout(timer);
  }, once = () => {
    cancel(), task();
  }, frame = requestAnimationFrame(once), timer = setTimeout(once, 200);
  return cancel;
}

// src/inbox.ts
var Inbox = class {
  constructor(flush) {
    this.flush = flush;
  }
  flush;
  events = [];
  metas = [];
  cancel;
  add(event, meta) {
    this.events.push(event), this.metas.push(meta), this.scheduleFlush();
  }
  /** Flushes in the next animation frame, even if no event arrives. */
  scheduleFlush() {
    this.cancel ??= schedule(() => {
      this.cancel = void 0;
      let { events, metas } = this;
      this.clear(), this.flush(events, metas);
    });
  }
  /** Drops the collected events. A scheduled flush still runs. */
  clear() {
    this.events = [], this.metas = [];
  }
  /** Drops the collected events and cancels the flush. */
  close() {
    this.cancel?.(), this.cancel = void 0, this.clear();
  }
};

// src/live-query.ts
function createLiveQuery(options) {
  let query = new Query(options);
  return (options.autoStart ?? !0) && query.start(), query;
}
var minResetInterval = 5e3, Query = class {
  constructor(options) {
    this.options = options;
    this.data = options.initial?.data, this.cursor = options.initial?.cursor ?? null, this.snapshot = { ...this.snapshot, data: this.data, cursor: this.cursor }, this.debug = debugOf(options.stream?.debug), this.backoff = new Backoff(options.stream?.backoff), this.stream = createEventStream({ ...options.stream, autoConnect: !1 }), this.stream.on("*", (event, meta) => this.running && this.inbox.add(event, meta)), this.stream.onReset(() => this.onReset()), this.stream.onOversized(() => this.onReset()), this.stream.onStatus(() => this.running && this.inbox.scheduleFlush()), this.stream.onError(() => this.running && this.inbox.scheduleFlush());
  }
  options;
  stream;
  debug;
  listeners = new Emitter();
  backoff;
  inbox = new Inbox((events, metas) => this.flush(events, metas));
  snapshot = { data: void 0, loading: !1, stale: !1, error: null, status: "connecting", cursor: null };
  data;
  cursor = null;
  running = !1;
  needsReload = !1;
  // since a reset
  lastLoadError = null;
  loadedAt = -1 / 0;
  loading;
  retry;
  stopWatchingPage;
  getSnapshot() {
    return this.snapshot;
  }
  subscribe(listener) {
    return this.listeners.on("change", listener);
  }
  start() {
    if (this.running) return;
    this.running = !0, this.stopWatchingPage = onPageReturn(() => this.retry !== void 0 && this.refetch());
    let { initial } = this.options;
    initial && this.loadedAt === -1 / 0 ? this.onLoaded(initial) : this.refetch();
  }
  refetch() {
    if (!this.running) return this.start();
    this.stopLoading();
    let loading = new AbortController();
    this.loading = loading, this.update(), this.load(loading.signal).then(
      (loaded) => loading.signal.aborted || this.onLoaded(loaded),
      (error) => loading.signal.aborted || this.onLoadError(error)
    );
  }
  close() {
    this.running && (this.running = !1, this.stopWatchingPage?.(), this.stopLoading(), this.stream.close(), this.inbox.close(), this.update());
  }
  async load(signal) {
    let loaded = await this.options.load({ signal });
    if (typeof loaded?.cursor != "string")
      throw new StreamError("load must return { data, cursor } with the cursor of the list", { kind: "setup", fatal: !0 });
    return loaded;
  }
  stopLoading() {
    clearTimeout(this.retry), this.retry = void 0, this.loading?.abort(), this.loading = void 0;
  }
  onLoaded({ data, cursor }) {
    this.loading = void 0, this.lastLoadError = null, this.needsReload = !1, this.loadedAt = Date.now(), this.inbox.clear(), this.data = data, this.cursor = cursor, this.stream.restart(cursor), this.stream.connect(), this.update();
  }
  onLoadError(cause) {
    let error = cause instanceof Error ? cause : new Error(String(cause));
    if (this.loading = void 0, this.lastLoadError = error, !(error instanceof StreamError && error.fatal)) {
      let delay = this.backoff.next(error instanceof StreamError ? error.retryAfter : void 0);
      this.debug(`the list could not be loaded (${error.message}): retrying in ${Math.round(delay)} ms`, error), this.retry = setTimeout(() => this.refetch(), delay);
    }
    this.update();
  }
  onReset() {
    if (this.running) {
      if (this.needsReload = !0, Date.now() - this.loadedAt >= minResetInterval)
        return this.backoff.reset(), this.refetch();
      this.stopLoading(), this.retry = setTimeout(() => this.refetch(), this.backoff.next()), this.update();
    }
  }
  flush(events, metas) {
    events.length > 0 && this.data !== void 0 && this.apply(events, metas), this.update(), events.length > 0 && this.options.onEvents && call(() => this.options.onEvents?.(events, metas));
    let refetchOn = this.options.refetchOn ?? ["table_truncated"];
    events.some(({ type }) => type === "collection_reset") ? this.onReset() : events.some(({ type }) => refetchOn.includes(type)) && this.refetch();
  }
  apply(events, metas) {
    call(() => {
      this.data = this.options.apply(this.data, events, metas);
    }), this.cursor = metas.findLast((meta) => meta.cursor !== null)?.cursor ?? this.cursor;
  }
  /** Updates the snapshot, and calls the listeners if it changed. */
  update() {
    let { data, cursor } = this, status = this.running ? data === void 0 ? "connecting" : this.stream.status : "closed", next = {
      data,
      cursor,
      status,
      loading: this.loading !== void 0,
      stale: data !== void 0 && (this.needsReload || status === "reconnecting" || status === "closed"),
      error: this.lastLoadError ?? this.stream.error
    };
    isSame(next, this.snapshot) || (this.snapshot = next, this.listeners.emit("change"));
  }
};
function isSame(a, b) {
  return Object.keys(a).every((key) => a[key] === b[key]);
}

// src/activities.ts
function activities(options = {}) {
  let max = options.max ?? 5e3, matches = matcher(options.query ?? {});
  return {
    load: ({ signal }) => load(options, max, signal),
    apply: (data, events) => apply(data, events, matches, max)
  };
}
function activitiesOf({ activities: activities2, cursor }) {
  return { data: new Map(activities2.map(({ timestamp: _, ...row }) => [row.id, row])), cursor };
}
async function load(options, max, signal) {
  let data = /* @__PURE__ */ new Map(), cursor, after = null;
  do {
    let page = await loadPage(options, Math.min(500, max - data.size), after, signal);
    cursor ??= page.cursor;
    for (let [id, row] of activitiesOf(page).data) data.set(id, row);
    after = page.next;
  } while (after !== null && data.size < max);
  return { data, cursor };
}
async function loadPage(options, limit, after, signal) {
  let params = new URLSearchParams({ limit: String(limit) });
  for (let [name, values] of Object.entries(options.query ?? {}))
    for (let value of [values].flat()) params.append(name, value);
  after !== null && params.set("after", after);
  let init = await options.request?.() ?? {}, response;
  try {
    response = await fetch(`${options.url ?? "/api/activities"}?${params}`, { ...init, signal });
  } catch (cause) {
    throw new StreamError("fetch the list: no response", { kind: "network", cause });
  }
  if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) throw await errorOfResponse(response, !0);
  return await response.json();
}
function apply(data, events, matches, max) {
  let changed = /* @__PURE__ */ new Map();
  for (let event of events) {
    if (event.type === "activity_deleted" && changed.set(event.data.id, null), event.type !== "activity_created" && event.type !== "activity_updated" && event.type !== "assignment_changed") continue;
    let { id } = event.data, old = changed.has(id) ? changed.get(id) : data.get(id);
    changed.set(id, merge(old, event));
  }
  if (changed.size === 0) return data;
  let isShown = (row) => row !== null && matches(row), added = [...changed].filter((entry) => !data.has(entry[0]) && isShown(entry[1])), next = new Map(added.reverse());
  for (let [id, old] of data) {
    let row = changed.get(id);
    row === void 0 ? next.set(id, old) : isShown(row) && next.set(id, row);
  }
  return next.size <= max ? next : new Map([...next].slice(0, max));
}
function merge(old, event) {
  let { id, category, subcategory, location, status, reporter, assignedTo, timestamp } = event.data, created = event.type === "activity_created";
  return {
    id,
    category,
    subcategory,
    location,
    status,
    reporter,
    assignedTo,
    latestUpdate: event.type === "activity_updated" ? event.data.latestUpdate : old?.latestUpdate ?? null,
    createdAt: old?.createdAt ?? (created ? timestamp : null),
    updatedAt: old && old.updatedAt > timestamp ? old.updatedAt : timestamp
  };
}
var searched = ["category", "subcategory", "location", "reporter"];
function matcher(query) {
  let { q, ...fields } = query, words = q === void 0 ? null : [q].flat().map((word) => word.toLowerCase()), tests = Object.entries(fields).map(([field, values]) => [field, new Set([values].flat())]);
  return (row) => tests.every(([field, values]) => values.has(row[field] ?? "")) && (!words || words.some((word) => searched.some((field) => row[field].toLowerCase().includes(word))));
}
export {
  StreamError,
  activities,
  activitiesOf,
  canShare,
  createEventStream,
  createLiveQuery
};
