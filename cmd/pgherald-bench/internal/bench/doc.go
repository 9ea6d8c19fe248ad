// Package bench measures pgherald on this machine, beside baselines, for operators who size a machine and
// for the figures in the documentation.
//
// Each benchmark runs the server program against the same PostgreSQL and with the same load as the
// baselines, in turns, so that each figure comes with a ratio from the same run: the speed of machines
// differs, and drifts with time on one machine.
//
//	publisher (this process) ──► PostgreSQL ──► server (child) ──► load (children): sockets that
//	read, count and take the time
//
// One file holds one benchmark: bulk, fanout, latency, memory, resume, writers. They share:
//
//	flags       the common flags
//	fixture     a database, a directory and processors for one benchmark
//	database    its creation, and its count of transactions
//	subject     the servers under measurement; nchan is one of them
//	tables      the watched table and its twin for the baseline
//	activities  the example's table with exchangeable triggers
//	delivery    offers at several rates to one server
//	usage       CPU time and the bottleneck
//
// It promises:
//
//   - Everything happens on loopback and in a database of its own, which is dropped at the end.
//   - No child process outlives the benchmark.
//   - Each measurement is bounded in time and number.
//   - Deliveries are checked: a client is complete if it received each event once. The report shows what
//     did not arrive.
//   - CPU time is the kernel's account of each process. The report names the bottleneck: the server,
//     PostgreSQL, or the load itself.
//
// It needs Linux: CPU time and memory come from /proc, and the load uses epoll.
package bench
