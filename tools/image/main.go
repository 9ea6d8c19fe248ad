// Command image packs a static program as a container image, without a daemon and without a base image: a tar of an OCI
// layout, as docker load, podman load and skopeo read it. Two images of a program have the same bytes.
//
//	go run ./tools/image -program=dist/pgherald -arch=amd64 -version=1.2.3 -output=image.tar
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var i image
	flag.StringVar(&i.program, "program", "", "the program, built with CGO_ENABLED=0 for Linux")
	flag.StringVar(&i.arch, "arch", "amd64", "its architecture, as Go names it")
	flag.StringVar(&i.licences, "licences", ".", "folder with LICENSE and NOTICE")
	flag.StringVar(&i.version, "version", "", "version, for the label and the tag")
	flag.StringVar(&i.certificates, "certificates", "/etc/ssl/certs/ca-certificates.crt", "certificates of authorities, for the database and the issuer of tokens")
	output := flag.String("output", "", "file to write")
	flag.Parse()
	if err := write(i, *output); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func write(i image, output string) error {
	text, err := i.pack()
	if err != nil {
		return err
	}
	if err := os.WriteFile(output, text, 0o644); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return nil
}
