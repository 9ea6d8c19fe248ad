import type { NextConfig } from "next";

/** Where pgherald runs. On Vercel it is elsewhere: set PGHERALD_URL in the project's settings. */
const pgherald = process.env.PGHERALD_URL ?? "http://127.0.0.1:8080";

const config: NextConfig = {
  // The browser talks to this site alone: no CORS, and cookies go along. The stream passes through
  // unchanged; if the host ends a long request, the client resumes where it was.
  rewrites: async () => [
    { source: "/api/events", destination: `${pgherald}/api/events` },
    { source: "/api/activities/:path*", destination: `${pgherald}/api/activities/:path*` },
  ],
};

export default config;
