// A page that shows a collection as an application does: under StrictMode, with a new filter object in each render.

import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useCollection } from 'pgherald/react';

function Orders() {
  const [statuses, select] = useState(['open', 'paid']);
  const { data, stale, status } = useCollection('orders', { where: { status: { in: statuses } }, order: 'total.desc', limit: 20 });
  return (
    <main>
      <button onClick={() => select(['shipped'])}>shipped</button>
      <output>{stale ? 'stale' : status}</output>
      <ol>{data?.map((order) => <li key={order.id}>{[order.id, order.status, order.total].join('|')}</li>)}</ol>
    </main>
  );
}

createRoot(document.getElementById('root')).render(<StrictMode><Orders /></StrictMode>);
