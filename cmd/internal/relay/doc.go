// Package relay copies the log of a database into a stream store: package stream/relay, with a lease of package db/relays. While another process
// has the lease, it stands by.
package relay
