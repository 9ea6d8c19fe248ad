package buildinfo

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheLinkerWinsOverWhatGoRecorded(t *testing.T) {
	recorded := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.0.0-20260102030405-abcdef"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abcdefabcdefabcdef"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	system := runtime.GOOS + "/" + runtime.GOARCH
	for name, c := range map[string]struct {
		recorded *debug.BuildInfo
		linked   Info
		want     Info
		text     string
	}{
		"a release": {
			&debug.BuildInfo{},
			Info{Version: "1.2.3", Commit: "0123456789abcdef", Date: "2026-05-06T07:08:09Z"},
			Info{Version: "1.2.3", Commit: "0123456789abcdef", Date: "2026-05-06T07:08:09Z"},
			"pgherald 1.2.3 (commit 0123456789ab, 2026-05-06T07:08:09Z, " + runtime.Version() + ", " + system + ")",
		},
		"go build": {
			recorded,
			Info{},
			Info{Version: "0.0.0-20260102030405-abcdef", Commit: "abcdefabcdefabcdef", Date: "2026-01-02T03:04:05Z", Dirty: true},
			"pgherald 0.0.0-20260102030405-abcdef (commit abcdefabcdef with changes, 2026-01-02T03:04:05Z, " + runtime.Version() + ", " + system + ")",
		},
		"nothing known": {&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, Info{}, Info{Version: "devel"}, "pgherald devel (" + runtime.Version() + ", " + system + ")"},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Go, c.want.System = runtime.Version(), system
			got := read(c.recorded, c.linked)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.String() != c.text {
				t.Errorf("%s\nwant %s", got, c.text)
			}
		})
	}
}
