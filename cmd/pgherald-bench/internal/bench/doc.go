// Package bench measures pgherald on the machine that it runs on, for operators who size one and
// for us who claim something.
//
// Each benchmark runs the real server as a process of its own, beside baselines that were written
// by hand for the comparison, against the same Postgres and with the same load, in turns. So each
// figure comes with its ratio to something that is known, from the same run: machines differ, and
// so do the hours of one machine.
//
//	publisher (this process) ──► Postgres ──► server (child) ──► load (children): sockets that
//	read, count and take the time
//
// It promises:
//
//   - Everything happens on loopback and in a database of its own, which is dropped in the end.
//   - No child is left behind: they are waited for, and the kernel ends them if this process dies.
//   - Each run is bounded in time and count.
//   - Deliveries are checked: each connection must have got each event once. What did not arrive
//     is in the table.
//   - CPU time is the kernel's account of each process, and the notes say who had none left: the
//     server, Postgres, or the load itself.
//
// It needs Linux: CPU time and memory are read from /proc, and load is made with epoll.
package bench
