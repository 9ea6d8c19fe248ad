// A page with many filters of events beside collections, as an application with many widgets has them: under StrictMode.

import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useCollection, useEvents } from 'pgherald/react';

const filters = {
  created: { types: ['orders_created'] },
  updated: { types: ['orders_updated'] },
  deleted: { types: ['orders_deleted'] },
  one: { key: '1' },
  open: { where: { status: 'open' } },
  rows: { collection: 'orders', where: { status: 'eq.open' } },
  all: {},
};

function Events({ name, filter }) {
  const { events, status } = useEvents({ ...filter, history: 1000 });
  return <p id={name} data-status={status}>{events.map(({ id }) => id).join()}</p>;
}

function Orders({ status }) {
  const { data, status: state } = useCollection('orders', { where: { status } });
  return <p id={`orders-${status}`} data-status={state}>{data?.map(({ id }) => id).join()}</p>;
}

function Page() {
  const [more, setMore] = useState(false);
  return (
    <main>
      <button onClick={() => setMore(!more)}>more</button>
      {Object.entries(filters).map(([name, filter]) => <Events key={name} name={name} filter={filter} />)}
      <Orders status="open" />
      <Orders status="paid" />
      {more && <Events name="late" filter={{ types: ['orders_created', 'orders_deleted'] }} />}
    </main>
  );
}

createRoot(document.getElementById('root')).render(<StrictMode><Page /></StrictMode>);
