// Package baseline holds the servers with which the benchmarks compare pgherald: a simple hand-written
// one (LISTEN and net/http), and one that makes a single system call for each delivery, which is the least
// possible without batching. Each runs as a separate process.
package baseline
