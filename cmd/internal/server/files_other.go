//go:build !unix

package server

// MaxFiles returns 0, since this system reports no limit of open files.
func MaxFiles() int { return 0 }
