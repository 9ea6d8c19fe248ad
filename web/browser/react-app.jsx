// A page that uses the hook as an application does: under StrictMode, with new functions in each render.

import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useRealtimeUpdates } from 'pgherald/react';

window.received = [];

function Feed() {
  const [clicks, click] = useState(0);
  const { isConnected, status, events, stats } = useRealtimeUpdates({
    url: 'api/events',
    history: 500,
    onEvent: (event) => window.received.push(event.id),
  });
  return (
    <main>
      <button onClick={() => click(clicks + 1)}>{clicks}</button>
      <output>{isConnected ? 'connected' : status}</output>
      <p>{stats.opens}</p>
      <ol>{events.map((event) => <li key={event.id}>{event.id}</li>)}</ol>
    </main>
  );
}

function App() {
  const [shown, show] = useState(true);
  return (
    <>
      <input type="checkbox" checked={shown} onChange={() => show(!shown)} />
      {shown && <Feed />}
    </>
  );
}

createRoot(document.getElementById('root')).render(<StrictMode><App /></StrictMode>);
