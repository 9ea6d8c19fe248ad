import type { NextConfig } from "next";

/** The URL of pgherald. On Vercel, set PGHERALD_URL in the project's settings. */
const pgherald = process.env.PGHERALD_URL ?? "http://127.0.0.1:8080";

const config: NextConfig = {
  // The browser talks to this site only, so there is no CORS and cookies are sent. The stream passes
  // through unchanged. If the host ends a long request, the client resumes at its cursor.
  rewrites: async () => [
    { source: "/api/events", destination: `${pgherald}/api/events` },
    { source: "/api/activities/:path*", destination: `${pgherald}/api/activities/:path*` },
  ],
};

export default config;
