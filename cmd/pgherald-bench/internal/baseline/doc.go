// Package baseline holds the servers that pgherald is compared with: the server that most people would
// write first, and the cheapest one that a system call per delivery allows. Each runs as a process of its
// own.
package baseline
