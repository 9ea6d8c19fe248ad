// Package outages holds the soak: three replicas, two relays and three edges, each in a network namespace of its own, a
// PostgreSQL with a standby, a Redis, writers and clients of every kind, and faults. Its judge, package judge, compares what the clients received with what
// was committed. At the end the soak prints how long clients waited after each kind of fault.
//
// It needs Linux and root, for the namespaces; tools/soak gives it both. It touches no network but its own.
package outages
