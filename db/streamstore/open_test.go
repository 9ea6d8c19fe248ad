package streamstore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]struct {
		addrs            []string
		db               int
		name, user, word string
		tls, cluster     bool
		master           string
	}{
		"redis://localhost":        {addrs: []string{"localhost:6379"}, name: "pgherald"},
		"valkey://h:7/3?key=a":     {addrs: []string{"h:7"}, db: 3, name: "a"},
		"rediss://u:p%40@h:7":      {addrs: []string{"h:7"}, name: "pgherald", user: "u", word: "p@", tls: true},
		"redis+cluster://:p@a:1,b": {addrs: []string{"a:1", "b:6379"}, name: "pgherald", word: "p", cluster: true},
		"redis+sentinel://a,b:2/1?master=m&sentinel_password=s&key=k": {addrs: []string{"a:26379", "b:2"}, db: 1, name: "k", master: "m"},
	} {
		o, name, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want.addrs, o.Addrs); diff != "" || o.DB != want.db || name != want.name || o.Username != want.user || o.Password != want.word ||
			(o.TLSConfig != nil) != want.tls || o.IsClusterMode != want.cluster || o.MasterName != want.master {
			t.Errorf("%s: %v, %+v, %s", text, name, o, diff)
		}
	}
	for text, want := range map[string]string{"rediss://h": "h", "rediss+cluster://a,b": "", "rediss+sentinel://a,b?master=m": ""} {
		if o, _, err := parse(text); err != nil || o.TLSConfig == nil || o.TLSConfig.ServerName != want {
			t.Errorf("%s: the name of the servers is not %q: %+v, %v", text, want, o, err)
		}
	}
	for text, want := range map[string]string{
		"redis://u:secret@h/2?key=k": "k@h:6379/2", "redis+cluster://b,a": "pgherald@a:6379,b:6379/0", "redis+sentinel://a,b?master=m": "pgherald@m/0",
	} {
		s, err := Open(text)
		if err != nil || s.Place() != want {
			t.Errorf("%s is at %q: %v", text, s.Place(), err)
			continue
		}
		_ = s.Close()
	}
	for _, text := range []string{
		"", "redis", "redis://", "http://h", "redis+x://h", "redis://h/x", "redis://h?key=", "redis://h?key={a}", "redis://h?other=1",
		"redis+sentinel://h", "redis+cluster://h/1", "redis://u:secret@h:port", "redis://u:secret@h:65536", "redis+cluster://a:1,b:0",
	} {
		if _, _, err := parse(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
