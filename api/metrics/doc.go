// Package metrics counts what operators want to know, for Prometheus.
//
// What happens in the API is told to a Metrics as it happens, in calls that cost some nanoseconds
// and never wait. What the rest of the server knows of itself is asked for at each scrape
// (Sources), and only if it answers from memory: a scrape never waits for the database.
//
// Each name here is listed in docs/operations.md, and a test compares the two.
package metrics
