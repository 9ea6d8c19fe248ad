// Command run plays the scenarios of the conformance suite with an adapter:
//
//	go run ./clients/conformance/run [-only=NAMES] [-limit=20s] PROGRAM [ARGS]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgherald/pgherald/clients/conformance"
)

func main() {
	only := flag.String("only", "", "play these scenarios, with commas between them")
	limit := flag.Duration("limit", 20*time.Second, "time after which a scenario has failed")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(64)
	}
	if err := play(*only, *limit, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(only string, limit time.Duration, command []string) error {
	a, err := conformance.StartAdapter(context.Background(), os.Stderr, command[0], command[1:]...)
	if err != nil {
		return err
	}
	scenarios := conformance.Scenarios()
	if only != "" {
		names := strings.Split(only, ",")
		scenarios = slices.DeleteFunc(scenarios, func(s conformance.Scenario) bool { return !slices.Contains(names, s.Name) })
	}
	results := make([]string, len(scenarios))
	var playing sync.WaitGroup
	for i, s := range scenarios {
		playing.Go(func() { results[i] = playOne(a, s, limit) })
	}
	playing.Wait()
	failed := 0
	for i, s := range scenarios {
		fmt.Printf("%-28s %s\n", s.Name, results[i])
		if strings.HasPrefix(results[i], "FAILED") {
			failed++
			fmt.Printf("  rule: %s\n", s.Rule)
		}
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("end the adapter: %w", err)
	}
	if failed > 0 {
		return errors.New(fmt.Sprint(failed, " of ", len(scenarios), " scenarios failed"))
	}
	return nil
}

func playOne(a *conformance.Adapter, s conformance.Scenario, limit time.Duration) string {
	if !a.Can(s) {
		return "left out"
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	if err := conformance.Run(ctx, a, s); err != nil {
		return "FAILED " + err.Error()
	}
	return fmt.Sprintf("ok       %.1f s", time.Since(began).Seconds())
}
