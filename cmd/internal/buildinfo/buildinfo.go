// Package buildinfo knows which version of the source a program was built from.
package buildinfo

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Info describes a build.
type Info struct {
	Version string `json:"version"`          // a tag such as 1.2.3, or what Go derives from the commit
	Commit  string `json:"commit,omitempty"` // of Git
	Date    string `json:"date,omitempty"`   // of the commit, RFC 3339, so that two builds of it are equal
	Dirty   bool   `json:"dirty,omitempty"`  // files differ from the commit
	Go      string `json:"go"`
	System  string `json:"system"` // such as linux/amd64
}

// The linker sets these for a release: -X github.com/pgherald/pgherald/cmd/internal/buildinfo.version=1.2.3.
var version, commit, date string

// Read returns what the linker was given, completed by what Go records about the module and its repository. A release
// gives the linker all three; go build and go install give it none.
func Read() Info {
	recorded, ok := debug.ReadBuildInfo()
	if !ok {
		recorded = &debug.BuildInfo{}
	}
	return read(recorded, Info{Version: version, Commit: commit, Date: date})
}

// read completes what the linker was given by what Go recorded.
func read(recorded *debug.BuildInfo, i Info) Info {
	i.Go, i.System = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	if v := recorded.Main.Version; i.Version == "" && v != "(devel)" {
		i.Version = v
	}
	if i.Version == "" {
		i.Version = "devel"
	}
	i.Version = strings.TrimPrefix(i.Version, "v")
	for _, s := range recorded.Settings {
		switch {
		case s.Key == "vcs.revision" && i.Commit == "":
			i.Commit = s.Value
		case s.Key == "vcs.time" && i.Date == "":
			i.Date = s.Value
		case s.Key == "vcs.modified":
			i.Dirty = s.Value == "true"
		}
	}
	return i
}

// String returns one line, without what is not known.
func (i Info) String() string {
	var facts []string
	if i.Commit != "" {
		commit := "commit " + i.Commit[:min(12, len(i.Commit))]
		if i.Dirty {
			commit += " with changes"
		}
		facts = append(facts, commit)
	}
	if i.Date != "" {
		facts = append(facts, i.Date)
	}
	facts = append(facts, i.Go, i.System)
	return fmt.Sprintf("pgherald %s (%s)", i.Version, strings.Join(facts, ", "))
}
