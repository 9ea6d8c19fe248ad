// @vitest-environment jsdom
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { createClient } from "pgherald";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import useSWR from "swr";
import { beforeEach, expect, it } from "vitest";
import { OrdersServer, type Order } from "../../testing/server.js";
import { until } from "../../testing/until.js";
import { createLiveQueries } from "../src/index.js";

let server: OrdersServer;
let page: HTMLElement;
beforeEach(() => {
  server = new OrdersServer();
  server.rows.set(1, { id: 1, status: "open", note: "first" });
  page = document.createElement("div");
});
const client = () => createClient({ url: "http://pgherald.test", fetch: server.fetch });
const shows = (text: string) => until(() => expect(page.textContent).toBe(text));

it("shows live rows under StrictMode, with one list and one stream", async () => {
  const live = createLiveQueries(client());
  const Orders = () => {
    const { data } = useQuery(live.collection<Order>("orders", { where: { status: "open" } }));
    return data?.map(({ note }) => note).join() ?? "loading";
  };
  const queryClient = new QueryClient();
  const root = createRoot(page);
  root.render(<StrictMode><QueryClientProvider client={queryClient}><Orders /></QueryClientProvider></StrictMode>);
  await shows("first");
  await until(() => expect(server.openStreams).toBe(1));
  server.write({ 2: { status: "open", note: "second" } });
  await shows("first,second");
  expect(server.lists).toHaveLength(1);
  root.unmount();
  await until(() => expect(server.openStreams).toBe(0));
  queryClient.clear();
});

it("revalidates a list of SWR by events, as the README shows", async () => {
  const stream = client();
  const fetcher = async (): Promise<string> => [...server.rows.values()].map(({ note }) => note).join();
  const Total = () => {
    const { data, mutate } = useSWR("/api/total", fetcher, { dedupingInterval: 0 });
    useEffect(() => {
      const events = stream.events({ types: ["orders_insert", "orders_update", "orders_delete"] });
      events.on("*", () => void mutate());
      events.onReset(() => void mutate());
      return () => events.close();
    }, [mutate]);
    return data ?? "loading";
  };
  const root = createRoot(page);
  root.render(<StrictMode><Total /></StrictMode>);
  await shows("first");
  await until(() => expect(server.openStreams).toBe(1));
  server.write({ 1: { status: "open", note: "changed" } });
  await shows("changed");
  root.unmount();
  await until(() => expect(server.openStreams).toBe(0));
});
