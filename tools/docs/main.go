// Command docs prepares the documentation for its site, and checks the site.
//
//	go run ./tools/docs -root DIR -output DIR  writes the pages that VitePress builds
//	go run ./tools/docs -check DIR             looks for links that lead nowhere in what was built
//
// llms.txt says which documents there are, and in which order. tools/docs/build runs it all.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

func main() {
	root := flag.String("root", ".", "the directory of the repository")
	output := flag.String("output", "", "the directory of the pages; it is emptied")
	check := flag.String("check", "", "the directory of a site")
	base := flag.String("base", "/", "the path under which the site is served")
	versions := flag.String("versions", "main", "the versions that the site has, separated by spaces")
	flag.Parse()
	if err := run(*root, *output, *check, *base, strings.Fields(*versions)); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// run writes the pages, checks a site, or does both.
func run(root, output, check, base string, versions []string) error {
	if output != "" {
		if err := writeSite(root, output, base, versions); err != nil {
			return err
		}
	}
	if check == "" {
		return nil
	}
	problems, err := checkSite(check, base)
	if err != nil {
		return err
	}
	slices.Sort(problems)
	for _, problem := range slices.Compact(problems) {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d links lead nowhere", len(problems))
	}
	return nil
}
