// Package process runs the child processes of a benchmark and reads what the kernel knows of them: CPU
// time, memory, processors.
//
// A parent and its children exchange lines of JSON: the parent writes to the child's standard input, the
// child answers on its standard output and ends when its input does.
//
// It promises that no child outlives its parent: Stop waits for it, and the kernel kills it if the
// parent dies.
package process
