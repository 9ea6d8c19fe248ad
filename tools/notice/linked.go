package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// programs are the packages that are distributed as programs.
var programs = []string{"./cmd/pgherald", "./cmd/pgherald-bench"}

// systems are the values of GOOS for which the programs may link different packages.
var systems = []string{"linux", "darwin", "windows"}

// licence is the text of a licence, and what it applies to.
type licence struct {
	name string // of a module, of a folder in it, or of an npm package
	text string
}

// goPackage is the part of the output of go list that matters.
type goPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Dir string
		Main      bool
	}
}

// linkedLicences returns the licences of the packages that the programs link on any system.
func linkedLicences() ([]licence, error) {
	found := make(map[string]licence) // by file
	for _, system := range systems {
		packages, err := dependencies(system)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if err := addLicences(found, p); err != nil {
				return nil, err
			}
		}
	}
	all := make([]licence, 0, len(found))
	for _, l := range found {
		all = append(all, l)
	}
	return all, nil
}

// dependencies returns the packages that the programs link on a system.
func dependencies(system string) ([]goPackage, error) {
	list := exec.Command("go", append([]string{"list", "-deps", "-json=Dir,Standard,Module"}, programs...)...)
	list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages for %s: %w", system, err)
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("parse the list of packages: %w", err)
		}
		packages = append(packages, p)
	}
}

// licenceFile matches the names of files that apply to the folder that has them. NOTICE files must be passed on
// under the Apache licence.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([.-].*)?$`)

// addLicences adds the licences in a package's folder and in those above it, up to its module's. A module without a
// licence is an error.
func addLicences(found map[string]licence, p goPackage) error {
	if p.Standard || p.Module == nil || p.Module.Main {
		return nil // the standard library has the licence of golang.org/x
	}
	isLicensed := false
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		files, err := licencesIn(dir)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read a licence: %w", err)
			}
			isLicensed = isLicensed || !isNotice(file)
			found[file] = licence{name: p.Module.Path + filepath.ToSlash(strings.TrimPrefix(dir, p.Module.Dir)), text: string(text)}
		}
		if dir == p.Module.Dir {
			break
		}
	}
	if !isLicensed {
		return fmt.Errorf("find the licence of %s: there is no such file in %s", p.Module.Path, p.Module.Dir)
	}
	return nil
}

func isNotice(file string) bool {
	return strings.HasPrefix(strings.ToLower(filepath.Base(file)), "notice")
}

func licencesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for licences: %w", err)
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) != ".go" && licenceFile.MatchString(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}
