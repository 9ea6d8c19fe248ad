package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how much garbage a server lets gather, of what is in use, before the runtime collects
// it. Go's default is 100: a server whose memory is mostly a full feed would then take twice as much.
const garbagePercent = 40

// boundGarbage tells the runtime so, unless whoever runs the server has told it something.
func boundGarbage() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
