package servertest

import "syscall"

// endsWithParent makes the kernel kill the server when the thread that started it ends.
func endsWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
