// Command notice writes NOTICE: the licences of everything that is linked into the programs or bundled into the
// dashboard.
//
//	go run ./tools/notice [-check]
//
// With -check it compares the file and exits with 1 if it differs. NOTICE has no versions, so that an update of a
// module changes it only if a licence changes.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
)

const path = "NOTICE"

var errDiffers = errors.New(path + " is out of date: run go run ./tools/notice")

func main() {
	check := flag.Bool("check", false, "compare NOTICE instead of writing it")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	linked, err := linkedLicences()
	if err != nil {
		return err
	}
	bundled, err := bundledLicences("web/shared/js", "tools/notice/npm")
	if err != nil {
		return err
	}
	text, err := notice(append(linked, bundled...))
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(path, text, 0o644)
	}
	written, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(written, text) {
		err = errDiffers
	}
	return err
}
