"use client";

import { createClient } from "pgherald";
import { ClientProvider, useCollection, useEvents, useStatus } from "pgherald/react";
import { useState } from "react";

interface Order {
  id: number;
  status: string;
  note: string;
}

export function Orders({ url }: { url: string }) {
  const [client] = useState(() => createClient({ url }));
  return (
    <ClientProvider client={client}>
      <List />
    </ClientProvider>
  );
}

function List() {
  const { status } = useStatus();
  const { data } = useCollection<Order>("orders", { where: { status: "open" }, order: "id.desc" });
  const { lastEvent } = useEvents({ types: ["orders_updated"] });
  return (
    <main>
      <output>{status}</output>
      <ul>{data?.map((order) => <li key={order.id}>{order.note}</li>)}</ul>
      <b>{lastEvent?.type}</b>
    </main>
  );
}
