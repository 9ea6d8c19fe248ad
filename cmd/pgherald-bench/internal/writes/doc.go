// Package writes makes the writes of the benchmarks: events at a fixed rate for measurements of delivery, and
// updates as fast as PostgreSQL takes them for measurements of writers.
package writes
