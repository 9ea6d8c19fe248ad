import { createComponent, renderToString as renderSolid, ssr } from "solid-js/web";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createSSRApp, h } from "vue";
import { renderToString as renderVue } from "vue/server-renderer";
import * as solid from "../src/solid/index.js";
import * as svelte from "../src/svelte/index.js";
import * as vue from "../src/vue/index.js";
import { ScriptedServer } from "./server.js";

// On a server, the client has no page to resolve its address against, and nothing may load or connect.
let server: ScriptedServer;
beforeEach(() => {
  vi.useFakeTimers();
  server = new ScriptedServer();
});
afterEach(async () => {
  await vi.advanceTimersByTimeAsync(1000);
  expect([server.lines.length, vi.getTimerCount()]).toEqual([0, 0]);
  vi.useRealTimers();
});

const options = { where: { status: "open" } };

it("renders a component of Vue without data", async () => {
  const component = () => {
    const orders = vue.useCollection("orders", options);
    const events = vue.useEvents();
    return () => h("p", `${orders.status.value} ${orders.data.value?.length} ${events.status.value}`);
  };
  expect(await renderVue(createSSRApp({ setup: component }))).toBe("<p>connecting undefined connecting</p>");
});

it("renders a component of Solid without data", () => {
  const Component = () => {
    const orders = solid.useCollection("orders", options);
    const events = solid.useEvents();
    return ssr(["<p>", " ", " ", "</p>"], orders.status, String(orders.data?.length), events.status) as never;
  };
  expect(renderSolid(() => createComponent(Component, {}))).toBe("<p>connecting undefined connecting</p>");
});

it("gives Svelte's server build no data", () => {
  const orders = svelte.useCollection("orders", options);
  const events = svelte.useEvents();
  expect([orders.status, orders.data, events.status]).toEqual(["connecting", undefined, "connecting"]);
});
