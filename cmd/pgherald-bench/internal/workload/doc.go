// Package workload makes the load of writes: events at a fixed rate for measurements of delivery, and
// updates as fast as PostgreSQL takes them for measurements of writers.
package workload
