// Built from web/client by `npm run bundle`: do not edit.
var __defProp = Object.defineProperty;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __esm = (fn, res, err) => function() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: !0 });
};

// src/errors.ts
async function errorOfResponse(response, wasOpen, expected = "text/event-stream") {
  let problem = await problemOf(response), { status } = response, fatal = response.ok ? !wasOpen : permanent.has(status) || status < 500 && !transient.has(status) && !wasOpen, detail = typeof problem?.detail == "string" ? `: ${problem.detail}` : "";
  return new StreamError(describe(response, expected) + detail, {
    kind: "http",
    fatal,
    status,
    problem,
    code: typeof problem?.code == "string" ? problem.code : void 0,
    retryAfter: parseRetryAfter(response.headers.get("Retry-After"))
  });
}
function describe(response, expected) {
  if (response.ok) {
    let type = response.headers.get("Content-Type") ?? "no content type";
    return `the server answered ${response.status} with ${type} instead of ${expected}: check the url`;
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
function reportUnheard(error, before, isHeard) {
  error && error !== before && !isHeard && console.error(`pgherald: ${error.message}`);
}
var StreamError, permanent, transient, init_errors = __esm({
  "src/errors.ts"() {
    "use strict";
    StreamError = class extends Error {
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
  }
});

// src/shared/group.ts
function canShare() {
  return typeof document > "u" || typeof BroadcastChannel != "function" ? !1 : !!navigator.locks && globalThis.origin !== "null";
}
function groupOf(options) {
  let { token, headers } = options, { shared = token === void 0 && Object.keys(headers ?? {}).length === 0 } = options;
  if (shared === !1 || shared === "" || !canShare()) return null;
  if (shared === !0 && token)
    throw new TypeError("tabs with different tokens must not share a connection: name the group, as in shared: userId");
  return shared === !0 ? "" : shared;
}
var init_group = __esm({
  "src/shared/group.ts"() {
    "use strict";
  }
});

// src/backoff.ts
var Backoff, init_backoff = __esm({
  "src/backoff.ts"() {
    "use strict";
    Backoff = class {
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
  }
});

// src/lazy.ts
function lazyTransport(load2) {
  return (request, events2) => {
    let isClosed = !1, close = () => {
      isClosed = !0;
    };
    return load2().then(
      (transport) => {
        isClosed || (close = transport(request, events2));
      },
      (cause) => isClosed || events2.ended(new StreamError("load the transport's code: no response", { kind: "network", cause }))
    ), () => close();
  };
}
var init_lazy = __esm({
  "src/lazy.ts"() {
    "use strict";
    init_errors();
  }
});

// src/content.ts
var events, init_content = __esm({
  "src/content.ts"() {
    "use strict";
    events = "events";
  }
});

// src/conditions.ts
function conditionsOf({ types, key, where = {}, any }) {
  let all = types?.length ? [["types", [...types].sort().join(",")]] : [];
  for (let value of list(key)) all.push(["key", value]);
  for (let [field, values] of Object.entries(where).sort()) for (let value of list(values)) all.push([`where.${field}`, value]);
  for (let group of list(any)) all.push(["any", group]);
  return all;
}
function selectionParams(contents) {
  let [of, ...conditions] = contents[0]?.split(";") ?? [];
  return contents.length !== 1 || of !== events ? contents.map((content, i) => [`q.${i}`, content]) : conditions.map((condition) => condition.split("=").map(decodeURIComponent));
}
function list(value) {
  return value === void 0 ? [] : typeof value == "string" ? [value] : [...value].sort();
}
var init_conditions = __esm({
  "src/conditions.ts"() {
    "use strict";
    init_content();
  }
});

// src/options.ts
function checkOptions(options) {
  let { transport = "auto", headers, batch, heartbeatTimeout } = options;
  if (!["auto", "fetch", "eventsource", "poll"].includes(transport))
    throw new TypeError(`transport must be "auto", "fetch", "eventsource" or "poll", not ${JSON.stringify(transport)}`);
  if (transport === "eventsource" && headers && Object.keys(headers).length > 0)
    throw new TypeError('an EventSource cannot send headers: leave them out, or use transport: "fetch"');
  if (options.token !== void 0 && typeof options.token != "function")
    throw new TypeError("token must be a function that returns the token, so that it can be renewed");
  if (batch !== void 0 && !batchWindow.test(batch))
    throw new TypeError(`batch must be a duration such as "250ms", not ${JSON.stringify(batch)}`);
  if (heartbeatTimeout !== void 0 && !(heartbeatTimeout > 0))
    throw new TypeError("heartbeatTimeout must be a positive number of milliseconds");
}
function resolve(url) {
  let base = typeof document > "u" ? globalThis.location?.href : document.baseURI;
  try {
    return new URL(url, base);
  } catch {
    throw new TypeError(`url ${JSON.stringify(String(url))} is relative, and there is no page to resolve it against: give an absolute one`);
  }
}
var batchWindow, init_options = __esm({
  "src/options.ts"() {
    "use strict";
    batchWindow = /^\d+(\.\d+)?(ms|s)$/;
  }
});

// src/stream-url.ts
function streamURL(options) {
  let url = resolve(options.url ?? "/api/events"), { searchParams } = url;
  options.collection !== void 0 && searchParams.set("collection", options.collection);
  for (let [name, value] of [...selectionParams(options.selections ?? []), ...conditionsOf(options)])
    name === "types" ? searchParams.set(name, value) : searchParams.append(name, value);
  return options.user !== void 0 && searchParams.set("user", options.user), options.batch !== void 0 && searchParams.set("batch", options.batch), options.conflate && searchParams.set("conflate", "1"), url;
}
var init_stream_url = __esm({
  "src/stream-url.ts"() {
    "use strict";
    init_conditions();
    init_options();
  }
});

// src/memory.ts
var Memory, init_memory = __esm({
  "src/memory.ts"() {
    "use strict";
    Memory = class {
      ids = /* @__PURE__ */ new Set();
      /** Whether there were more than it remembers. */
      hasForgotten = !1;
      /** Adds an id. Returns false if it is known. */
      add(id) {
        return this.ids.has(id) ? !1 : (this.ids.add(id), this.ids.size > 5e3 && (this.ids.delete(this.ids.values().next().value), this.hasForgotten = !0), !0);
      }
      clear() {
        this.ids.clear(), this.hasForgotten = !1;
      }
      [Symbol.iterator]() {
        return this.ids.values();
      }
    };
  }
});

// src/position.ts
var Position, HubPosition, init_position = __esm({
  "src/position.ts"() {
    "use strict";
    init_memory();
    Position = class {
      cursor;
      partial = /* @__PURE__ */ new Set();
      resent = /* @__PURE__ */ new Set();
      // delivered, and sent again after a reconnect
      received = new Memory();
      constructor(cursor) {
        this.cursor = cursor;
      }
      /** Records an event's id in the log. Returns false if the event was delivered before. */
      record(id) {
        return id === void 0 ? !0 : (this.received.add(id), this.resent.delete(id) || this.partial.has(id) ? (this.partial.add(id), !1) : (this.partial.add(id), !0));
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
      /** Expects events from before the cursor again. Returns false if it cannot recognize all of them. */
      expectRepeats() {
        for (let id of this.received) this.resent.add(id);
        return !this.received.hasForgotten;
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
        this.cursor = cursor;
        for (let ids of [this.partial, this.resent, this.received]) ids.clear();
      }
    }, HubPosition = class extends Position {
      record(id) {
        return super.record(id), !0;
      }
    };
  }
});

// src/texts.ts
function textsOf(json, path, parsed) {
  let texts = parsed.length === 0 ? [] : find(json, path);
  return texts.length === parsed.length ? texts : parsed.map((value) => JSON.stringify(value));
}
function find(json, path) {
  let mark = /["{}[\]:]/g, texts = [], names = [], depth = 0, from = 0, name = "";
  for (let found = mark.exec(json); found; found = mark.exec(json)) {
    let { 0: char, index } = found;
    char === '"' ? (mark.lastIndex = endOfString(json, index), depth <= path.length && (name = json.slice(index + 1, mark.lastIndex - 1))) : char === ":" ? names[depth] = name : char === "{" || char === "[" ? ++depth === path.length + 2 && (from = index) : depth-- === path.length + 2 && path.every((name2, i) => names[i + 1] === name2) && texts.push(json.slice(from, index + 1));
  }
  return texts;
}
function endOfString(json, from) {
  for (let end = from; ; ) {
    if (end = json.indexOf('"', end + 1), end < 0) return json.length;
    let escapes = 0;
    for (; json[end - 1 - escapes] === "\\"; ) escapes++;
    if (escapes % 2 === 0) return end + 1;
  }
}
var init_texts = __esm({
  "src/texts.ts"() {
    "use strict";
  }
});

// src/reader.ts
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
var Reader, init_reader = __esm({
  "src/reader.ts"() {
    "use strict";
    init_errors();
    init_texts();
    Reader = class {
      constructor(position, events2) {
        this.position = position;
        this.events = events2;
      }
      position;
      events;
      isSynced = !1;
      replaysLeft = 0;
      // replayed events that have yet to arrive
      replayedUntil = -1 / 0;
      // older events are replayed, where the server gave no number
      isStopped = !1;
      /** Drops the rest of a batch, of which a listener has closed or moved the stream. */
      stop() {
        this.isStopped = !0;
      }
      frame(raw, id) {
        let envelope = parse(raw);
        if (!envelope) {
          this.events.error(new StreamError("skipped a frame that is not an event", { kind: "protocol", cause: raw.slice(0, 200) })), id !== null && this.position.complete(id);
          return;
        }
        if (envelope.type === "batch") return this.batch(envelope, raw, id);
        if (envelope.id === void 0 && envelope.type === "sync") return this.sync(envelope, raw, id);
        if (envelope.id === void 0 && envelope.type === "heartbeat") return this.heartbeat(envelope, raw, id);
        this.event(envelope, raw, id);
      }
      event(event, raw, id) {
        let replayed = this.isReplayed(event), isNew = this.position.record(event.id);
        id !== null && this.position.complete(id), isNew ? this.events.deliver({ kind: "event", event, meta: { cursor: id, raw, receivedAt: Date.now(), replayed } }) : this.events.duplicate(id, event.id);
      }
      batch(envelope, raw, id) {
        let inside = envelope.data?.events, all = Array.isArray(inside) ? inside : [], texts = textsOf(raw, ["data", "events"], all), last = all.findLastIndex(isEnvelope);
        for (let [i, event] of all.entries()) {
          if (this.isStopped) return;
          isEnvelope(event) && this.event(event, texts[i], i === last ? id : null);
        }
        last < 0 && id !== null && this.position.complete(id);
      }
      sync(event, raw, id) {
        let data = event.data, isFirst = !this.isSynced;
        if (this.isSynced = !0, !isFirst && (data.mode === "stale" || data.mode === "live"))
          return id !== null && this.position.complete(id), this.events.deliver({ kind: "sync", event: { ...event, data }, meta: this.ownMeta(raw, id) });
        this.position.interrupt(), data.repeats && !this.position.expectRepeats() && (data = { ...data, mode: "reset", reason: "repeats" }), this.replaysLeft = data.mode === "resumed" ? data.events ?? 0 : 0, this.replayedUntil = data.mode === "resumed" && data.events === void 0 ? event.timestamp : -1 / 0, data.mode === "reset" ? this.position.move(id ?? this.position.cursor) : id !== null && this.position.complete(id), this.events.deliver({ kind: "sync", event: { ...event, data }, meta: this.ownMeta(raw, id) });
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
  }
});

// src/tokens.ts
async function withToken(callback, send2) {
  let tokens = new Tokens(callback);
  for (; ; ) {
    let token = await tokens.next(), response = await send2(token === null ? {} : { Authorization: `Bearer ${token}` });
    if (response.status !== 401 || token === null || !tokens.markRejected()) return response;
    response.body?.cancel().catch(() => {
    });
  }
}
var Tokens, init_tokens = __esm({
  "src/tokens.ts"() {
    "use strict";
    init_errors();
    Tokens = class {
      constructor(callback) {
        this.callback = callback;
      }
      callback;
      reason = "connect";
      /** Resolves to the token for the next attempt, or to null without a callback. Rejects with a StreamError. */
      async next() {
        if (!this.callback) return null;
        let token;
        try {
          token = await this.callback({ reason: this.reason }) || null;
        } catch (cause) {
          throw new StreamError("the token callback threw", { kind: "token", cause });
        }
        if (token && /[^\t\n\r -~]/.test(token)) throw new StreamError("the token has characters that no header can carry", { kind: "token" });
        return token;
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
  }
});

// node_modules/eventsource-parser/dist/index.js
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
var ParseError, LF, CR, SPACE, init_dist = __esm({
  "node_modules/eventsource-parser/dist/index.js"() {
    ParseError = class extends Error {
      constructor(message, options) {
        super(message), this.name = "ParseError", this.type = options.type, this.field = options.field, this.value = options.value, this.line = options.line;
      }
    }, LF = 10, CR = 13, SPACE = 32;
  }
});

// src/transport-fetch.ts
async function read(request, events2, signal, isEnded) {
  let { fetch: fetch2 } = request, headers = { ...request.headers, Accept: "text/event-stream, application/problem+json" };
  request.token !== null && (headers.Authorization = `Bearer ${request.token}`);
  let response = await fetch2(request.url, { headers, signal, credentials: request.credentials, cache: "no-store" });
  if (isEnded()) return null;
  if (!(response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream")) || !response.body) return errorOfResponse(response, request.wasOpen);
  events2.bytesReceived();
  let parser = createParser({
    onEvent: ({ data, id }) => isEnded() || events2.frame(data, id ?? null),
    onRetry: (milliseconds) => isEnded() || events2.retry(milliseconds)
  }), reader = response.body.getReader(), decoder = new TextDecoder();
  for (; ; ) {
    let { done, value } = await reader.read();
    if (isEnded() || done) return null;
    events2.bytesReceived(), parser.feed(decoder.decode(value, { stream: !0 }));
  }
}
var fetchTransport, init_transport_fetch = __esm({
  "src/transport-fetch.ts"() {
    "use strict";
    init_dist();
    init_errors();
    fetchTransport = (request, events2) => {
      let abort = new AbortController(), isEnded = !1, end = (error) => {
        isEnded || (isEnded = !0, events2.ended(error));
      };
      return read(request, events2, abort.signal, () => isEnded).then(
        end,
        (cause) => end(cause instanceof StreamError ? cause : new StreamError("the connection failed or broke", { kind: "network", cause }))
      ), () => {
        isEnded = !0, abort.abort();
      };
    };
  }
});

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
var init_page_return = __esm({
  "src/page-return.ts"() {
    "use strict";
  }
});

// src/watchdog.ts
function silenceLimit({ heartbeatTimeout = 7e4, transport }, { heartbeat = 0 }) {
  return heartbeat > 0 && transport !== "eventsource" ? Math.min(heartbeatTimeout, 2.5 * heartbeat + 2e3) : heartbeatTimeout;
}
var Watchdog, init_watchdog = __esm({
  "src/watchdog.ts"() {
    "use strict";
    Watchdog = class {
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
  }
});

// src/transport-eventsource.ts
var transport_eventsource_exports = {};
__export(transport_eventsource_exports, {
  eventSourceTransport: () => eventSourceTransport
});
function listen(url, request, events2, failed) {
  let source = new EventSource(url, { withCredentials: request.credentials === "include" }), opened = !1, last = "";
  return source.onopen = () => events2.bytesReceived(), source.onmessage = (message) => {
    opened = !0, events2.bytesReceived();
    let id = message.lastEventId === last ? null : message.lastEventId;
    last = message.lastEventId, events2.frame(message.data, id);
  }, source.onerror = () => {
    source.close(), failed(opened);
  }, source;
}
async function withTicket(request, token, signal) {
  let url = new URL(request.url);
  url.pathname = url.pathname.replace(/\/[^/]*\/?$/, "/tickets"), url.search = "";
  let { fetch: fetch2 } = request, headers = { Authorization: `Bearer ${token}`, Accept: "application/json" }, response = await fetch2(url, { method: "POST", headers, signal, credentials: request.credentials });
  if (!response.ok) throw await errorOfResponse(response, request.wasOpen);
  let { ticket } = await response.json(), ticketed = new URL(request.url);
  return ticketed.searchParams.set("ticket", ticket), ticketed;
}
async function explain(request, url, signal) {
  let unknown = (cause) => new StreamError("the connection failed", { kind: "network", cause });
  if (url.searchParams.has("ticket")) return unknown();
  let { fetch: fetch2 } = request;
  try {
    let response = await fetch2(url, { signal, credentials: request.credentials, cache: "no-store", headers: { Accept: "text/event-stream, application/problem+json" } });
    return response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream") ? (response.body?.cancel().catch(() => {
    }), unknown()) : await errorOfResponse(response, request.wasOpen);
  } catch (cause) {
    return unknown(cause);
  }
}
var eventSourceTransport, init_transport_eventsource = __esm({
  "src/transport-eventsource.ts"() {
    "use strict";
    init_errors();
    eventSourceTransport = (request, events2) => {
      let abort = new AbortController(), source, end = (error) => {
        abort.signal.aborted || (abort.abort(), source?.close(), events2.ended(error));
      };
      return (async () => {
        if (typeof EventSource > "u") throw new StreamError('there is no EventSource here: leave out transport: "eventsource"', { kind: "setup", fatal: !0 });
        let url = request.token === null ? request.url : await withTicket(request, request.token, abort.signal);
        abort.signal.aborted || (source = listen(url, request, events2, (opened) => {
          if (opened) return end(new StreamError("the connection broke", { kind: "network" }));
          explain(request, url, abort.signal).then(end);
        }));
      })().catch(
        (cause) => end(cause instanceof StreamError ? cause : new StreamError("fetch a ticket: no response", { kind: "network", cause }))
      ), () => {
        abort.abort(), source?.close();
      };
    };
  }
});

// src/transport-poll.ts
var transport_poll_exports = {};
__export(transport_poll_exports, {
  pollTransport: () => pollTransport
});
async function poll(url, request, events2, signal) {
  let { fetch: fetch2, credentials } = request, headers = { ...request.headers, Accept: "application/json" };
  request.token !== null && (headers.Authorization = `Bearer ${request.token}`);
  let wait = `${Math.floor(Math.min(longestWait, request.patience / 2))}ms`;
  url.searchParams.delete("batch");
  for (let mode; ; ) {
    let began = Date.now(), { searchParams } = url, [waited, cursor] = [searchParams.has("wait"), searchParams.get("since") ?? searchParams.get("lastEventId")], response = await fetch2(url, { headers, signal, credentials, cache: "no-store" });
    if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) return errorOfResponse(response, request.wasOpen, "JSON");
    let text = await response.text(), page = JSON.parse(text);
    if (signal.aborted || (events2.bytesReceived(), mode = deliver(page, text, mode, { ...events2, frame: (data, id) => signal.aborted || events2.frame(data, id) }), page.snapshot !== void 0 && !signal.aborted && events2.page?.(page.snapshot), signal.aborted || mode === "draining") || (searchParams.delete("lastEventId"), searchParams.set("since", page.cursor), page.more ? searchParams.delete("wait") : searchParams.set("wait", wait), page.events.length === 0 && (waited || page.more && page.cursor === cursor) && await pause(began + leastPause - Date.now(), signal), signal.aborted)) return null;
  }
}
function pause(milliseconds, signal) {
  if (!(milliseconds <= 0))
    return new Promise((resolve2) => {
      let end = () => {
        clearTimeout(timer), signal.removeEventListener("abort", end), resolve2();
      }, timer = setTimeout(end, milliseconds);
      signal.addEventListener("abort", end);
    });
}
function deliver({ events: envelopes, cursor, sync }, text, before, events2) {
  let frame = (type, data, id) => events2.frame(JSON.stringify({ type, data, timestamp: Date.now() }), id), isEmpty = envelopes.length === 0, now = sync ?? (before === void 0 ? { mode: "resumed" } : before === "stale" ? { mode: "live" } : null);
  return now && frame("sync", now, isEmpty ? cursor : null), textsOf(text, ["events"], envelopes).forEach((envelope, i) => events2.frame(envelope, i === envelopes.length - 1 ? cursor : null)), isEmpty && !sync && frame("heartbeat", {}, cursor), sync?.mode ?? "live";
}
function streamURL2(original, page) {
  let url = new URL(original), cursor = page.searchParams.get("since");
  return cursor === null || (url.searchParams.delete("since"), url.searchParams.set("lastEventId", cursor)), url;
}
var longestWait, leastPause, firstProbe, longestProbe, probeTimeout, pollTransport, Probe, init_transport_poll = __esm({
  "src/transport-poll.ts"() {
    "use strict";
    init_errors();
    init_texts();
    init_transport_fetch();
    longestWait = 25e3, leastPause = 1e3, firstProbe = 6e4, longestProbe = 30 * 6e4, probeTimeout = 1e4, pollTransport = (request, events2) => {
      let abort = new AbortController(), { signal } = abort, url = new URL(request.url), probe = new Probe(() => ({ ...request, url: streamURL2(request.url, url) }), events2), close = () => {
        abort.abort(), probe.stop();
      }, end = (error) => {
        signal.aborted || (close(), events2.ended(error));
      };
      return poll(url, request, events2, signal).then(
        end,
        (cause) => end(cause instanceof StreamError ? cause : new StreamError("the connection failed or broke", { kind: "network", cause }))
      ), close;
    };
    Probe = class {
      constructor(request, events2) {
        this.request = request;
        this.events = events2;
        events2.streams && this.schedule();
      }
      request;
      events;
      timer;
      close;
      delay = firstProbe;
      stop() {
        clearTimeout(this.timer), this.close?.();
      }
      schedule() {
        this.stop(), this.timer = setTimeout(() => this.open(), this.delay), this.delay = Math.min(longestProbe, 2 * this.delay);
      }
      open() {
        this.timer = setTimeout(() => this.schedule(), probeTimeout), this.close = fetchTransport(this.request(), {
          bytesReceived() {
          },
          retry() {
          },
          frame: () => {
            this.stop(), this.events.streams?.();
          },
          ended: () => this.schedule()
        });
      }
    };
  }
});

// src/renewal.ts
var renewal_exports = {};
__export(renewal_exports, {
  Renewal: () => Renewal
});
var maxDelay, retryDelay, Renewal, init_renewal = __esm({
  "src/renewal.ts"() {
    "use strict";
    init_stream_url();
    maxDelay = 2 ** 31 - 1, retryDelay = 5e3, Renewal = class {
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
          let url = this.url(connection), headers = token === null ? {} : { Authorization: `Bearer ${token}` }, { fetch: fetch2 = globalThis.fetch } = this.options, response = await fetch2(url, { method: "POST", headers, credentials: this.options.credentials ?? "same-origin", signal: abort.signal }), body = response.ok ? await response.json() : {};
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
  }
});

// src/connection.ts
var minUptime, maxMute, eventSource, poll2, Connection, init_connection = __esm({
  "src/connection.ts"() {
    "use strict";
    init_backoff();
    init_lazy();
    init_errors();
    init_stream_url();
    init_position();
    init_reader();
    init_tokens();
    init_transport_fetch();
    init_page_return();
    init_watchdog();
    minUptime = 5e3, maxMute = 1e4, eventSource = lazyTransport(async () => (await Promise.resolve().then(() => (init_transport_eventsource(), transport_eventsource_exports))).eventSourceTransport), poll2 = lazyTransport(async () => (await Promise.resolve().then(() => (init_transport_poll(), transport_poll_exports))).pollTransport), Connection = class {
      constructor(options, sink, debug, position = new Position(options.since ?? null)) {
        this.options = options;
        this.sink = sink;
        this.debug = debug;
        this.position = position;
        this.backoff = new Backoff(options.backoff), this.transport = options.transport === "eventsource" ? eventSource : options.transport === "poll" ? poll2 : fetchTransport, this.tokens = new Tokens(options.token);
      }
      options;
      sink;
      debug;
      position;
      backoff;
      transport;
      isMuted = !1;
      // a proxy lets no stream through
      hasAnswer = !1;
      // the current attempt
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
        this.hasAnswer = !1, this.abortAttempt = () => {
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
        }), { headers = {}, credentials = "same-origin", fetch: fetch2 = globalThis.fetch } = this.options, { isMuted } = this, patience = this.options.heartbeatTimeout ?? 7e4, close = (isMuted ? poll2 : this.transport)(
          { url, token, headers, credentials, fetch: fetch2, patience, wasOpen: this.wasOpen },
          {
            bytesReceived: () => this.onBytes(),
            ...isMuted && { streams: () => this.onStreams() },
            retry: (milliseconds) => {
              this.backoff.retry = milliseconds;
            },
            frame: (data, id) => reader.frame(data, id),
            ...this.sink.page && { page: (snapshot) => this.sink.page(snapshot) },
            ended: (error) => this.onEnd(error, token !== null)
          }
        );
        this.abortAttempt = () => {
          reader.stop(), close();
        };
      }
      /** Waits for the first event after the beginning of a response for a shorter time: the server sends both at once. */
      onBytes() {
        if (this.hasAnswer) return this.watchdog.touch();
        this.hasAnswer = !0, this.watchdog.watch(Math.min(maxMute, this.options.connectTimeout ?? 3e4));
      }
      onStreams() {
        this.debug("streams come through again"), this.isMuted = !1, this.attempt();
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
        let { mode, since } = delivery.event.data;
        !(this.status === "open" || this.status === "stale") && mode !== "expired" && mode !== "draining" && this.onOpen(delivery), this.sink.deliver(delivery), mode === "stale" && this.status === "open" && (this.debug(`stale: the server has not read the database since ${since}`), this.setStatus("stale", null)), this.status === "stale" && (mode === "live" || mode === "resumed" || mode === "reset") && (this.debug("the server reads the database again"), this.setStatus("open", null)), mode === "reset" && this.debug(`reset (${delivery.event.data.reason}): the server cannot resume at this cursor, everything must be fetched again`), mode === "draining" && (this.debug("the server is draining"), this.backoff.reset()), mode === "expired" && this.status !== "closed" && this.changeToken("the token has expired");
      }
      /** Reconnects with a new token. */
      changeToken(why) {
        this.debug(why), this.tokens.markExpired(), this.attempt();
      }
      onOpen(delivery) {
        this.wasOpen = !0, this.openedAt = Date.now(), this.tokens.reset(), this.watchdog.watch(silenceLimit(this.options, delivery.event.data)), this.options.token && delivery.event.data.expires !== void 0 && this.renew(delivery.event.data, this.abortAttempt).catch((error) => this.debug("the code that renews tokens could not be loaded", error)), this.debug(`open: ${delivery.event.data.mode}`, delivery.event.data), this.setStatus(delivery.event.data.mode === "stale" ? "stale" : "open", null);
      }
      /** Renews the token before it expires. If the code for that cannot be loaded, the stream expires, and reconnects. */
      async renew(sync, attempt) {
        let { Renewal: Renewal2 } = await Promise.resolve().then(() => (init_renewal(), renewal_exports));
        this.abortAttempt === attempt && (this.renewal ??= new Renewal2(this.options.token, this.options, {
          clockSkew: () => this.skew ?? 0,
          reconnect: (why) => this.changeToken(why),
          debug: this.debug
        }), this.renewal.start(sync));
      }
      onEnd(error, hadToken) {
        if ((this.status === "open" || this.status === "stale") && Date.now() - this.openedAt >= minUptime && this.backoff.reset(), error?.status === 401 && hadToken && this.tokens.markRejected())
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
        let isOpen = this.status === "open" || this.status === "stale", canPoll = !isOpen && !this.isMuted && (this.options.transport ?? "auto") === "auto";
        if (isOpen || (this.isMuted = canPoll), canPoll)
          return this.debug("the stream did not open: asking for pages instead"), this.attempt();
        let message = isOpen ? "no event or heartbeat arrived" : "the stream did not open";
        this.onFailure(new StreamError(`${message} within ${Math.round(silence / 1e3)} s`, { kind: "silent" }));
      }
      onReturn(how, cause) {
        if (how === "visible" && !this.isWaiting) return this.watchdog.check();
        if (Date.now() < this.notBefore) return this.debug(`${cause}, but Retry-After is not over`);
        this.debug(`${cause}: connecting now`), this.reconnect();
      }
    };
  }
});

// src/following.ts
function withoutCode(cause, advice = "") {
  return new StreamError(`load the code of the stream: no response${advice}`, { kind: "network", cause: cause instanceof StreamError ? cause.cause : cause });
}
function keepLoading(load2, backoff, { ready, failed }) {
  let delays = new Backoff(backoff), isEnded = !1, failures = 0, timer, attempt = () => {
    load2().then(
      (loaded) => isEnded || ready(loaded),
      (cause) => {
        if (isEnded) return;
        let delay = delays.next();
        timer = setTimeout(attempt, delay);
        let error = withoutCode(cause, ++failures < keptFailures ? "" : "; reload the page");
        error.retryAt = Date.now() + delay, failed(error, error.retryAt);
      }
    );
  };
  return attempt(), () => {
    isEnded = !0, clearTimeout(timer);
  };
}
var keptFailures, init_following = __esm({
  "src/following.ts"() {
    "use strict";
    init_backoff();
    init_errors();
    keptFailures = 3;
  }
});

// src/loading-source.ts
var LoadingSource, init_loading_source = __esm({
  "src/loading-source.ts"() {
    "use strict";
    init_following();
    LoadingSource = class {
      constructor(options, sink, load2, make) {
        this.options = options;
        this.sink = sink;
        this.load = load2;
        this.make = make;
        this.since = options.since ?? null;
      }
      options;
      sink;
      load;
      make;
      source;
      stop;
      // while it is connected, and waits for the code
      since;
      get cursor() {
        return this.source ? this.source.cursor : this.since;
      }
      connect() {
        if (this.source) return this.source.connect();
        if (this.stop) return;
        let isEnded = !1, end = () => {
        };
        this.stop = () => {
          isEnded = !0, end();
        }, this.sink.status("connecting", null), !isEnded && (end = keepLoading(this.load, this.options.backoff, {
          ready: () => this.become(this.make({ ...this.options, since: this.since })),
          failed: (error, retryAt) => {
            this.sink.error(error), isEnded || this.sink.status("connecting", retryAt);
          }
        }));
      }
      reconnect() {
        this.source ? this.source.reconnect() : this.connect();
      }
      restart(cursor) {
        this.source ? this.source.restart(cursor) : this.since = cursor;
      }
      close() {
        if (this.source) return this.source.close();
        this.stop && (this.stop(), this.stop = void 0, this.sink.status("closed", null));
      }
      become(source) {
        this.source = source, source.connect();
      }
    };
  }
});

// src/shared/messages.ts
function packError(error) {
  let { message, kind, fatal, status, code, problem, retryAfter } = error;
  return { message, details: { kind, fatal, status, code, problem, retryAfter } };
}
function unpackError({ message, details }) {
  return new StreamError(message, details);
}
var init_messages = __esm({
  "src/shared/messages.ts"() {
    "use strict";
    init_errors();
  }
});

// src/shared/hub.ts
var Hub, init_hub = __esm({
  "src/shared/hub.ts"() {
    "use strict";
    init_connection();
    init_messages();
    Hub = class {
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
        this.post(this.state(to));
      }
      state(to) {
        let { cursor, isAtBoundary } = this.position;
        return { kind: "state", hub: this.id, to, status: this.status, retryAt: this.retryAt, cursor, isAtBoundary };
      }
      /** Posts that the leader is alive. */
      beat() {
        this.post({ kind: "beat" });
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
  }
});

// src/shared/backlog.ts
var Backlog, init_backlog = __esm({
  "src/shared/backlog.ts"() {
    "use strict";
    Backlog = class {
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
  }
});

// src/shared/trail.ts
var Trail, init_trail = __esm({
  "src/shared/trail.ts"() {
    "use strict";
    Trail = class {
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
  }
});

// src/shared/member.ts
var Member, init_member = __esm({
  "src/shared/member.ts"() {
    "use strict";
    init_connection();
    init_backlog();
    init_messages();
    init_trail();
    Member = class {
      // whether the hub is alive
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
      isDoubtful = !1;
      get isFollowing() {
        return this.hub !== void 0 && !this.backlog;
      }
      /** Whether this hub is the one that has sent its position. */
      knows(hub) {
        return hub === this.hub;
      }
      /** Processes a message of a hub. Apart from `state`, messages of other hubs are ignored. */
      receive(message) {
        if (message.kind === "state") return this.onState(message);
        if (message.hub === this.hub)
          switch (this.isDoubtful && this.publishStatus(), message.kind) {
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
      /** Shows that what follows may be old, until the hub says something. */
      doubt() {
        this.isFollowing && (this.setStatus("connecting", null), this.isDoubtful = !0);
      }
      reconnect() {
        this.direct?.reconnect();
      }
      onState(hub) {
        if (hub.hub === this.hub && this.direct && hub.to !== void 0) return;
        if (this.isSkipping = !1, this.hub = hub.hub, this.hubStatus = hub.status, this.hubRetryAt = hub.retryAt, this.position.interrupt(), this.position.cursor === null) return this.adoptCursor(hub.cursor, hub.isAtBoundary);
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
        if (missed)
          return this.startFollowing(), this.onDeliveries(missed);
        let ahead = backlog.newest === null ? void 0 : this.trail.since(backlog.newest), rest = backlog.after(backlog.newest);
        !ahead || !rest || (this.debug(`the other tab is ${ahead.length} events behind: dropping those`), this.startFollowing(), this.position.rewind(backlog.newest, ahead), this.trail.restart(backlog.newest), this.onDeliveries(rest));
      }
      onDeliveries(deliveries) {
        let { hub } = this;
        for (let delivery of deliveries) {
          if (this.hub !== hub) return;
          this.onDelivery(delivery);
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
        this.debug("catching up on an own connection"), this.sink.role("catching-up");
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
        delivery.kind === "sync" && delivery.event.data.repeats && (delivery = this.expectRepeats(delivery));
        let { kind, event, meta } = delivery;
        kind === "sync" && event.data.mode === "reset" && (this.position.move(meta.cursor), this.trail.restart(meta.cursor)), kind === "sync" && this.position.interrupt();
        let isSkipped = this.isSkipping && kind === "event", isNew = !isSkipped && (kind !== "event" || this.position.record(event.id));
        kind === "event" && !isSkipped && this.trail.addEvent(event.id), meta.cursor !== null && this.advance(meta.cursor), isNew ? this.sink.deliver(delivery) : isSkipped || this.sink.duplicate(meta.cursor, event.id);
      }
      /** Makes the sync a reset if this tab cannot recognize all events that come again. */
      expectRepeats(delivery) {
        if (this.position.expectRepeats()) return delivery;
        let { event } = delivery;
        return { ...delivery, event: { ...event, data: { ...event.data, mode: "reset", reason: "repeats" } } };
      }
      advance(cursor) {
        cursor !== this.position.cursor && (this.isSkipping = !1), this.position.complete(cursor), this.trail.addCursor(cursor);
      }
      publishStatus() {
        this.setStatus(this.hubStatus, this.hubRetryAt);
      }
      setStatus(status, retryAt) {
        this.isDoubtful = !1, (status === "open" || status === "stale") && (this.wasOpen = !0), this.sink.status(status === "connecting" && this.wasOpen ? "reconnecting" : status, retryAt);
      }
    };
  }
});

// src/shared/shared.ts
var shared_exports = {};
__export(shared_exports, {
  SharedSource: () => SharedSource
});
var longestSilence, doubtAfter, stealAfter, SharedSource, init_shared = __esm({
  "src/shared/shared.ts"() {
    "use strict";
    init_stream_url();
    init_position();
    init_page_return();
    init_watchdog();
    init_hub();
    init_member();
    longestSilence = 3e3, doubtAfter = 1500, stealAfter = 2500, SharedSource = class {
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
      watchdog = new Watchdog(() => this.ask());
      channel;
      hub;
      lockAbort;
      // releases the lock, or the request for it
      answerTimer;
      stopWatchingPage;
      hasFailed = !1;
      // to reach the other tabs
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
          this.hub || (this.send({ kind: "retry-now", from: this.id }), this.ask());
        }), hide = () => this.closeChannel(), show = (event) => event.persisted && this.openChannel();
        return window.addEventListener("pagehide", hide), window.addEventListener("pageshow", show), () => {
          stopWatchingPage(), window.removeEventListener("pagehide", hide), window.removeEventListener("pageshow", show);
        };
      }
      openChannel() {
        this.channel || (this.channel = new BroadcastChannel(this.name), this.channel.onmessage = ({ data }) => data.forEach((message) => this.onMessage(message)), this.lockAbort = new AbortController(), this.requestLock(this.lockAbort.signal, !1), this.queryLeader());
      }
      closeChannel() {
        clearTimeout(this.answerTimer), this.watchdog.stop(), this.lockAbort?.abort(), this.stop(), this.channel?.close(), this.channel = void 0;
      }
      /** Neither leads nor follows. */
      stop() {
        this.member.stop(), this.hub?.close(), this.hub = void 0;
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
            this.hub && this.debug("another tab took over"), this.stop(), this.requestLock(signal, !1), this.queryLeader();
          }
        });
      }
      lead() {
        if (this.hub) return;
        this.debug("leading the other tabs"), clearTimeout(this.answerTimer), this.watchdog.stop();
        let hub = new Hub(this.options, new HubPosition(this.cursor), this.debug, (messages) => {
          if (this.hub === hub) {
            for (let message of messages) this.onHubMessage(message);
            this.broadcast(hub, messages);
          }
        });
        this.hub = hub, this.sink.role("leader"), hub.open();
      }
      /** Posts to the other tabs. After a failure, the state comes first: those that lack something get it themselves. */
      broadcast(hub, messages) {
        try {
          this.channel?.postMessage(this.hasFailed ? [hub.state()] : messages), this.hasFailed = !1;
        } catch (error) {
          this.debug("the other tabs could not be reached", error), this.hasFailed || hub.beat(), this.hasFailed = !0;
        }
      }
      /** Asks the leader whether it is alive. */
      ask() {
        this.send({ kind: "ask", from: this.id }), this.awaitAnswer();
      }
      /** Requests the leader's state. A leader that does not respond is frozen: this tab steals the lock. */
      queryLeader() {
        this.hub || (this.send({ kind: "query-state", from: this.id }), this.awaitAnswer());
      }
      awaitAnswer() {
        clearTimeout(this.answerTimer), this.answerTimer = setTimeout(() => {
          this.answerTimer = setTimeout(() => {
            this.debug("the leading tab is silent: taking over"), this.requestLock(this.lockAbort.signal, !0);
          }, stealAfter), this.member.doubt();
        }, doubtAfter);
      }
      onMessage(message) {
        if (this.channel) {
          if (message.kind === "query-state") return this.hub?.postState(message.from);
          if (message.kind === "ask") return this.hub?.beat();
          if (message.kind === "retry-now") return this.hub?.retryNow();
          if (message.kind === "reconnect") return this.hub?.reconnect();
          this.hub || (clearTimeout(this.answerTimer), this.watchdog.watch(longestSilence), message.kind === "beat" && !this.member.knows(message.hub) ? this.queryLeader() : this.onHubMessage(message));
        }
      }
      onHubMessage(message) {
        message.kind === "state" && message.to !== void 0 && message.to !== this.id || this.member.receive(message);
      }
      send(message) {
        this.channel?.postMessage([message]);
      }
    };
  }
});

// src/sources.ts
async function loadSharing() {
  sharing ??= await Promise.resolve().then(() => (init_shared(), shared_exports));
}
function sourceOf(options, sink, debug) {
  let group = groupOf(options);
  if (group === null) return new Connection(options, sink, debug);
  let make = (options2) => new sharing.SharedSource(options2, group, sink, debug);
  return sharing ? make(options) : new LoadingSource(options, sink, loadSharing, make);
}
var sharing, init_sources = __esm({
  "src/sources.ts"() {
    "use strict";
    init_connection();
    init_loading_source();
    init_group();
  }
});

// src/debug.ts
function debugOf(option) {
  return typeof option == "function" ? option : option ? (line, detail) => {
    detail === void 0 ? console.debug(`pgherald: ${line}`) : console.debug(`pgherald: ${line}`, detail);
  } : () => {
  };
}
var init_debug = __esm({
  "src/debug.ts"() {
    "use strict";
  }
});

// src/emitter.ts
function call(fn) {
  try {
    fn();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
var Emitter, init_emitter = __esm({
  "src/emitter.ts"() {
    "use strict";
    Emitter = class {
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
  }
});

// src/iterate.ts
async function* iterate(stream) {
  let reader = {}, waiting = [], lost, wake = () => {
  }, stops = [
    stream.on("*", (event) => {
      waiting.push(event) >= mostWaiting && stream.pause(reader), wake();
    }),
    stream.onChange(() => wake()),
    // close() does not change the status of a paused stream
    stream.onLoss(({ reason }) => {
      lost = new StreamError(`events are missing (${reason}): load everything again`, { kind: "reset" }), wake();
    })
  ];
  try {
    for (; ; ) {
      let events2 = waiting;
      if (waiting = [], yield* events2, !(waiting.length > 0)) {
        if (lost) throw lost;
        if (stream.resume(reader), stream.isPaused || stream.status !== "closed") await new Promise((resolve2) => wake = resolve2);
        else {
          if (stream.error?.fatal) throw stream.error;
          return;
        }
      }
    }
  } finally {
    for (let stop of stops) stop();
    stream.resume(reader);
  }
}
var mostWaiting, init_iterate = __esm({
  "src/iterate.ts"() {
    "use strict";
    init_errors();
    mostWaiting = 1e3;
  }
});

// src/signal.ts
var AbortWatch, init_signal = __esm({
  "src/signal.ts"() {
    "use strict";
    AbortWatch = class {
      constructor(signal, close) {
        this.signal = signal;
        this.close = close;
      }
      signal;
      close;
      start() {
        this.signal?.addEventListener("abort", this.close);
      }
      stop() {
        this.signal?.removeEventListener("abort", this.close);
      }
    };
  }
});

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
    staleSince: null,
    retryAt: null,
    clockSkew: null,
    role: "own"
  };
}
var init_stats = __esm({
  "src/stats.ts"() {
    "use strict";
  }
});

// src/stream.ts
var Stream, init_stream = __esm({
  "src/stream.ts"() {
    "use strict";
    init_debug();
    init_emitter();
    init_errors();
    init_options();
    init_iterate();
    init_group();
    init_signal();
    init_stats();
    Stream = class {
      source;
      // Each listener takes the event of its type, which the type of a map cannot express.
      events = new Emitter();
      signals = new Emitter();
      duplicates = new Emitter();
      oversized = new Emitter();
      counters = newStats();
      currentStatus = "closed";
      lastError = null;
      slowReaders = /* @__PURE__ */ new Set();
      abort;
      /** From connect() until close(), also after a fatal error or while it is paused. */
      isRunning = !1;
      constructor(options, makeSource) {
        checkOptions(options), groupOf(options), options.onEvent && this.on("*", options.onEvent), options.onStatus && this.onStatus(options.onStatus), options.onReset && this.onReset(options.onReset), options.onOversized && this.onOversized(options.onOversized), options.onError && this.onError(options.onError);
        let sink = {
          deliver: (delivery) => this.deliver(delivery),
          duplicate: (cursor, id) => {
            this.counters.duplicates++, this.duplicates.emit("", cursor, id);
          },
          status: (status, retryAt) => this.setStatus(status, retryAt),
          error: (error) => this.onFailure(error),
          role: (role) => {
            this.counters.role = role;
          }
        };
        this.abort = new AbortWatch(options.signal, () => this.close()), this.source = makeSource(options, sink, debugOf(options.debug));
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
      /** Calls the listener for each event that came again and was dropped. */
      onDuplicate(listener) {
        return this.duplicates.on("", listener);
      }
      onError(listener) {
        return this.signals.on("error", listener);
      }
      /** Calls the listener after the status, the error or `isRunning` has changed. It does not count as a listener of errors. */
      onChange(listener) {
        return this.signals.on("change", listener);
      }
      /** Calls the listener for each reset that no listener of onReset takes. */
      onLoss(listener) {
        return this.signals.on("loss", listener);
      }
      [Symbol.asyncIterator]() {
        return iterate(this);
      }
      connect() {
        this.run(), this.source.connect();
      }
      reconnect() {
        this.run(), this.source.reconnect();
      }
      restart(cursor) {
        this.source.restart(cursor);
      }
      close() {
        this.isRunning = !1, this.abort.stop(), this.slowReaders.clear(), this.source.close(), this.emit("closed");
      }
      /** Whether the stream is closed only until slow readers have caught up. */
      get isPaused() {
        return this.slowReaders.size > 0;
      }
      /** Closes the stream until `reader` has caught up. */
      pause(reader) {
        this.slowReaders.add(reader), this.source.close();
      }
      /** Records that `reader` has caught up. The stream goes on with the last one. */
      resume(reader) {
        this.slowReaders.delete(reader) && !this.isPaused && this.source.connect();
      }
      run() {
        this.isRunning = !0, this.abort.start();
      }
      deliver({ kind, event, meta }) {
        if (kind !== "event" && this.measureSkew(meta.receivedAt - event.timestamp), kind === "event" && this.count(meta), kind === "heartbeat" && this.counters.heartbeats++, kind === "sync" && (this.counters.staleSince = event.data.mode === "stale" ? Date.parse(event.data.since ?? "") || event.timestamp : null), kind === "event" && event.oversized === !0) return this.deliverOversized(event, meta);
        this.events.emit(event.type, event, meta), kind === "event" && this.events.emit("*", event, meta), kind === "sync" && event.data.mode === "reset" && this.reset(event.data.reason ?? "unknown");
      }
      /** Delivers an event without its data. A reset replaces it if nothing listens, so that no loss is silent. */
      deliverOversized(event, meta) {
        if (this.oversized.has("oversized")) return this.oversized.emit("oversized", event, meta);
        this.reset("oversized");
      }
      reset(reason) {
        this.counters.resets++, this.signals.emit(this.signals.has("reset") ? "reset" : "loss", { reason });
      }
      setStatus(status, retryAt) {
        if (this.counters.retryAt = retryAt, status === this.currentStatus && status !== "open") return;
        (status === "open" || status === "stale") && this.currentStatus !== "stale" && !(this.currentStatus === "open" && status === "stale") && this.onOpen(), this.currentStatus = status, status === "closed" && !this.isPaused && this.abort.stop(), this.emit("status", status);
      }
      onFailure(error) {
        error.fatal && reportUnheard(error, this.lastError, this.signals.has("error")), this.lastError = error, this.emit("error", error);
      }
      emit(signal, value) {
        this.signals.emit(signal, value), this.signals.emit("change", value);
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
  }
});

// src/index.ts
init_errors();
init_group();

// src/create-stream.ts
init_sources();
init_stream();
function createEventStream(options = {}) {
  let stream = new Stream(options, sourceOf);
  return (options.autoConnect ?? !0) && !options.signal?.aborted && stream.connect(), stream;
}

// src/live-query.ts
init_debug();

// src/query.ts
init_backoff();
init_emitter();
init_errors();

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
  get isEmpty() {
    return this.events.length === 0;
  }
  /** Flushes in the next animation frame, even if no event arrives. */
  scheduleFlush() {
    this.cancel ??= schedule(() => this.flushNow());
  }
  flushNow() {
    this.cancel?.(), this.cancel = void 0;
    let { events: events2, metas } = this;
    this.clear(), this.flush(events2, metas);
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

// src/query.ts
init_page_return();
var minResetInterval = 5e3, minReloadInterval = 1e3, Query = class {
  constructor(options, makeSource) {
    this.options = options;
    this.data = options.initial?.data, this.cursor = options.initial?.cursor ?? null, this.snapshot = { ...this.snapshot, data: this.data, cursor: this.cursor }, this.backoff = new Backoff(options.backoff), this.source = makeSource(this);
  }
  options;
  listeners = new Emitter();
  backoff;
  inbox = new Inbox((events2, metas) => this.flush(events2, metas));
  source;
  snapshot = { data: void 0, loading: !1, stale: !1, error: null, status: "connecting", cursor: null };
  data;
  cursor = null;
  running = !1;
  starts = 0;
  needsLoad = !1;
  // since a reset
  isDue = !1;
  // another load, since a reset came during the present one
  waiting = [];
  // for the list
  lastLoadError = null;
  loadedAt = -1 / 0;
  loading;
  retry;
  reloadTimer;
  stopWatchingPage;
  /** From start() until close(), also after a fatal error. */
  get isRunning() {
    return this.running;
  }
  getSnapshot() {
    return this.snapshot;
  }
  subscribe(listener) {
    return this.listeners.on("", listener);
  }
  start() {
    if (this.running) return;
    this.running = !0, this.starts++, this.stopWatchingPage = onPageReturn(() => this.retry !== void 0 && this.reload());
    let { initial } = this.options;
    initial && this.loadedAt === -1 / 0 ? this.source.prepare(() => this.onLoaded(initial)) : (this.needsLoad = this.data !== void 0, this.reload());
  }
  refetch() {
    let loaded = new Promise((resolve2) => this.waiting.push(resolve2));
    return this.running ? this.reload() : this.start(), loaded;
  }
  /** Applies an event soon. */
  receive(event, meta) {
    this.running && this.data !== void 0 && this.inbox.add(event, meta);
  }
  /** Applies at once what was received. */
  applyNow() {
    this.running && !this.inbox.isEmpty && this.inbox.flushNow();
  }
  /** Records that the status or the error of the source has changed. */
  changed() {
    this.running && this.inbox.scheduleFlush();
  }
  /** Replaces the data by what `change` makes of it, between two events. */
  change(change) {
    this.data !== void 0 && (this.data = change(this.data)), this.update();
  }
  /**
   * Loads the list again, since events may be missing: with back-off if that comes soon after a load. A load that has
   * begun goes on, or resets in a row would let none come to its end, unless `restarts` says that it must not.
   */
  reset(restarts = !1) {
    if (this.running) {
      if (this.needsLoad = !0, this.loading && !restarts)
        return this.isDue = !0, this.update();
      if (Date.now() - this.loadedAt >= minResetInterval)
        return this.backoff.reset(), this.reload();
      this.reloadLater();
    }
  }
  close() {
    this.running && (this.running = !1, this.stopWatchingPage?.(), this.stopLoading(), this.source.close(), this.inbox.close(), this.update(), this.stopWaiting());
  }
  reload() {
    this.stopLoading();
    let loading = new AbortController();
    this.loading = loading, this.update(), this.source.prepare(() => {
      loading.signal.aborted || (this.isDue = !1, this.load(loading.signal).then(
        (loaded) => loading.signal.aborted || this.onLoaded(loaded),
        (error) => loading.signal.aborted || this.onLoadError(error)
      ));
    });
  }
  reloadLater() {
    this.stopLoading(), this.retry = setTimeout(() => this.reload(), this.backoff.next()), this.update();
  }
  async load(signal) {
    let loaded = await this.options.load({ signal });
    if (typeof loaded?.cursor != "string")
      throw new StreamError("load must return { data, cursor } with the cursor of the list", { kind: "setup", fatal: !0 });
    return loaded;
  }
  stopLoading() {
    clearTimeout(this.retry), clearTimeout(this.reloadTimer), this.retry = this.reloadTimer = void 0, this.loading?.abort(), this.loading = void 0;
  }
  onLoaded(loaded) {
    let resume = this.source.take(loaded);
    if (resume === "now") return this.reload();
    if (resume === "later") return this.reloadLater();
    let isOver = this.watchEnd();
    this.loading = void 0, this.lastLoadError = null;
    let { isDue } = this;
    this.needsLoad = isDue, this.loadedAt = Date.now(), this.inbox.clear(), this.data = loaded.data, this.cursor = loaded.cursor, resume(), !isOver() && (this.inbox.flushNow(), !isOver() && (isDue && !this.loading && !this.retry && this.reloadLater(), this.stopWaiting()));
  }
  onLoadError(cause) {
    let error = cause instanceof Error ? cause : new Error(String(cause));
    if (!this.lastLoadError && Date.now() - this.loadedAt >= minResetInterval && this.backoff.reset(), this.loading = void 0, this.lastLoadError = error, this.isFatal(error))
      this.data === void 0 && this.source.close(), this.stopWaiting();
    else {
      let delay = this.backoff.next(error instanceof StreamError ? error.retryAfter : void 0);
      this.options.debug(`the list could not be loaded (${error.message}): retrying in ${Math.round(delay)} ms`, error), this.retry = setTimeout(() => this.reload(), delay);
    }
    this.update();
  }
  /** Reports whether a retry is useless. A stream that is open shows that there is a token that the server takes. */
  isFatal(error) {
    return error instanceof StreamError && error.fatal && !(error.status === 401 && this.source.status === "open");
  }
  flush(events2, metas) {
    events2.length > 0 && this.data !== void 0 && this.apply(events2, metas);
    let next = this.options.reloadAfter(events2);
    next === "reset" && (this.needsLoad = !0);
    let isOver = this.watchEnd();
    this.update(), events2.length > 0 && this.options.onEvents && !isOver() && call(() => this.options.onEvents?.(events2, metas)), !(next === null || isOver()) && (next === "reset" || this.loading ? this.reset() : this.reload());
  }
  /** Returns a function that reports whether a listener has closed the query since, perhaps to start it again. */
  watchEnd() {
    let { starts } = this;
    return () => !this.running || this.starts !== starts;
  }
  stopWaiting() {
    let { waiting } = this;
    this.waiting = [];
    for (let resolve2 of waiting) resolve2();
  }
  apply(events2, metas) {
    call(() => {
      this.data = this.options.apply(this.data, events2, metas);
    }), this.cursor = metas.findLast((meta) => meta.cursor !== null)?.cursor ?? this.cursor;
  }
  /** Updates the snapshot, and calls the listeners if it changed. */
  update() {
    let { data, cursor } = this, status = this.running ? data === void 0 ? "connecting" : this.source.status : "closed", isDoubtful = data !== void 0 && (this.options.needsReload?.(data) ?? !1);
    isDoubtful && this.running && !this.loading && !this.retry && !this.lastLoadError && this.scheduleReload();
    let next = {
      data,
      cursor,
      status,
      loading: this.loading !== void 0,
      stale: data !== void 0 && (this.needsLoad || isDoubtful || status === "reconnecting" || status === "stale" || status === "closed"),
      error: this.lastLoadError ?? this.source.error
    };
    isSame(next, this.snapshot) || (reportUnheard(next.error, this.snapshot.error, data !== void 0 || this.listeners.has("")), this.snapshot = next, this.listeners.emit(""));
  }
  /** Loads the list again soon: at most once in a while. */
  scheduleReload() {
    this.reloadTimer ??= setTimeout(() => this.reload(), Math.max(0, this.loadedAt + minReloadInterval - Date.now()));
  }
};
function isSame(a, b) {
  return Object.keys(a).every((key) => a[key] === b[key]);
}

// src/live-query.ts
init_sources();
init_stream();
function createLiveQuery(options) {
  let { refetchOn = ["table_truncated"], stream: streamOptions } = options, stream = new Stream(streamOptions ?? {}, sourceOf), query = new Query(
    {
      ...options,
      backoff: streamOptions?.backoff,
      debug: debugOf(streamOptions?.debug),
      reloadAfter: (events2) => reloadAfter(events2, refetchOn)
    },
    (query2) => ownSource(stream, query2)
  );
  return (options.autoStart ?? !0) && !streamOptions?.signal?.aborted && query.start(), Object.assign(query, { stream });
}
function ownSource(stream, query) {
  return stream.on("*", (event, meta) => query.receive(event, meta)), stream.onOversized(() => query.reset()), stream.onReset(() => query.reset()), stream.onStatus(() => query.changed()), stream.onError(() => query.changed()), {
    get status() {
      return stream.status;
    },
    get error() {
      return stream.error;
    },
    prepare: (load2) => load2(),
    take: ({ cursor }) => () => {
      stream.restart(cursor), query.isRunning && stream.connect();
    },
    close: () => stream.close()
  };
}
function reloadAfter(events2, refetchOn) {
  return events2.some(({ type }) => type === "collection_reset") ? "reset" : events2.some(({ type }) => refetchOn.includes(type)) ? "refetch" : null;
}

// src/activities/activities.ts
init_errors();
init_options();
init_tokens();
function activities(options = {}) {
  let { max = 5e3, query = {} } = options, matches = matcher(query), isFiltered = Object.keys(query).length > 0;
  return {
    load: ({ signal }) => load(options, max, signal),
    apply: (data, events2) => apply(data, events2, matches, max, isFiltered),
    needsReload: (data) => factsOf(data).isMisplaced || factsOf(data).hasMore && data.size < max - Math.floor(max / 100)
  };
}
function activitiesOf({ activities: activities2, cursor, next }) {
  let rows = activities2.map(({ timestamp: _, ...row }) => row);
  return { data: withFacts(rows, next !== null, !1), cursor };
}
async function load(options, max, signal) {
  let data = /* @__PURE__ */ new Map(), cursor, after = null;
  do {
    let page = await loadPage(options, Math.min(500, max - data.size), after, signal);
    cursor ??= page.cursor;
    for (let [id, row] of activitiesOf(page).data) data.set(id, row);
    after = page.next;
  } while (after !== null && data.size < max);
  return { data: withFacts([...data.values()], after !== null, !1), cursor };
}
async function loadPage(options, limit, after, signal) {
  let params = new URLSearchParams({ limit: String(limit) });
  for (let [name, values] of Object.entries(options.query ?? {}))
    for (let value of [values].flat()) params.append(name, value);
  after !== null && params.set("after", after);
  let url = addressOf(options);
  for (let [name, value] of params) url.searchParams.append(name, value);
  let response = await withToken(options.token, (headers) => send(url, options, headers, signal));
  if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) throw await errorOfResponse(response, !0, "JSON");
  return await response.json();
}
function addressOf({ url = "/api/activities" }) {
  try {
    return resolve(url);
  } catch (cause) {
    throw new StreamError(cause.message, { kind: "setup", fatal: !0, cause });
  }
}
async function send(url, { request }, token, signal) {
  let init = await request?.() ?? {}, headers = new Headers(init.headers);
  for (let [name, value] of Object.entries(token)) headers.set(name, value);
  try {
    return await fetch(url, { ...init, headers, signal });
  } catch (cause) {
    throw new StreamError("fetch the list: no response", { kind: "network", cause });
  }
}
function apply(data, events2, matches, max, isFiltered) {
  let changed = /* @__PURE__ */ new Map();
  for (let event of events2) {
    if (event.type === "activity_deleted" && changed.set(event.data.id, null), event.type !== "activity_created" && event.type !== "activity_updated" && event.type !== "assignment_changed") continue;
    let { id } = event.data, old = changed.has(id) ? changed.get(id) : data.get(id);
    (old || isFiltered || event.type === "activity_created") && changed.set(id, merge(old, event));
  }
  if (changed.size === 0) return data;
  let isShown = (row) => row !== null && matches(row), kept = [];
  for (let [id, old] of data) {
    let row = changed.get(id);
    row === void 0 ? kept.push(old) : isShown(row) && kept.push(row);
  }
  let added = [...changed.values()].filter((row) => isShown(row) && !data.has(row.id)), rows = added.length === 0 ? kept : [...added.reverse(), ...kept].sort(newestFirst), { hasMore, isMisplaced } = factsOf(data);
  return withFacts(rows.slice(0, max), hasMore || rows.length > max, isMisplaced || added.some(({ createdAt }) => createdAt === null));
}
var facts = /* @__PURE__ */ new WeakMap();
function factsOf(data) {
  return facts.get(data) ?? { hasMore: !1, isMisplaced: !1 };
}
function withFacts(rows, hasMore, isMisplaced) {
  let data = new Map(rows.map((row) => [row.id, row]));
  return facts.set(data, { hasMore, isMisplaced }), data;
}
function newestFirst(a, b) {
  return a.createdAt === null || b.createdAt === null ? +(b.createdAt === null) - +(a.createdAt === null) : a.createdAt !== b.createdAt ? a.createdAt < b.createdAt ? 1 : -1 : a.id < b.id ? 1 : -1;
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

// <stdin>
init_texts();
export {
  StreamError,
  activities,
  canShare,
  createEventStream,
  createLiveQuery,
  textsOf
};
