package main

import (
	"slices"
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a word", "nobody reads it", []string{"nobody"}},
		{"at the start of a sentence", "Nobody reads it.", []string{"nobody"}},
		{"part of another word", "label, foreign, showing, subportions", nil},
		{"a part of an identifier", "newBell(new_bell, NEWBell)", []string{"bell", "bell", "bell"}},
		{"an initialism before it", "SQLPortion", []string{"portion"}},
		{"a possessive", "the waker's term", []string{"waker"}},
		{"a phrase", "Close is what ends it", []string{"is what"}},
		{"a phrase over two lines of a comment", "// Close is\n\t// what ends it", []string{"is what"}},
		{"a phrase over two lines of SQL", "-- as it\n-- is", []string{"as it is"}},
		{"a phrase in an identifier", "func turnAway()", []string{"turn away"}},
		{"words with a full stop between them", "It is. What else?", nil},
		{"two phrases", "that is when it asked", []string{"is when", "asked"}},
		{"the constant Everyone", "case Everyone:", nil},
		{"everyone in prose", "sent to everyone", []string{"everyone"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, h := range scan(test.text, banned) {
				got = append(got, h.word)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("scan(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestHitSaysLineAndText(t *testing.T) {
	hits := scan("first\n\tsecond nobody\nthird", banned)
	if len(hits) != 1 || hits[0] != (hit{line: 2, word: "nobody", text: "second nobody"}) {
		t.Errorf("hits %+v", hits)
	}
}

func TestAllowances(t *testing.T) {
	all, err := parseAllowances("# comment\n\nweb/ | aside | HTML\ncmd/*/user.go | nobody | the user of Unix\n")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		file, word string
		want       bool
	}{
		{"web/index.html", "aside", true},
		{"web/css/base.css", "aside", true},
		{"web/index.html", "nobody", false},
		{"stream/aside.go", "aside", false},
		{"cmd/pgherald/user.go", "nobody", true},
		{"cmd/pgherald/users.go", "nobody", false},
	}
	for _, test := range tests {
		if got := allows(all, test.file, test.word); got != test.want {
			t.Errorf("allows(%s, %s) = %v, want %v", test.file, test.word, got, test.want)
		}
	}
}

func TestAllowancesNeedWordAndReason(t *testing.T) {
	for _, text := range []string{"web/ | aside", "web/ | aside |", "web/ | label | it is fine"} {
		if _, err := parseAllowances(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestUnusedAllowancesAreReported(t *testing.T) {
	var out strings.Builder
	n := reportUnused(&out, []*allowance{{word: "aside", line: 3, used: true}, {word: "nobody", line: 4}})
	if n != 1 || !strings.HasPrefix(out.String(), "tools/words/allow.txt:4: nobody: ") {
		t.Errorf("%d unused: %s", n, out.String())
	}
}

func TestSkippedFiles(t *testing.T) {
	for file, want := range map[string]bool{
		"LICENSE": true, "web/browser/package-lock.json": true, "tools/lint/go.mod": true,
		"tools/run-lint": false, "go.mod": false, "docs/operations.md": false,
	} {
		if got := isSkipped(file); got != want {
			t.Errorf("isSkipped(%s) = %v, want %v", file, got, want)
		}
	}
}

func TestBannedListHasNoDuplicates(t *testing.T) {
	seen := make(map[string]bool)
	for _, word := range banned {
		if seen[word] || word != strings.ToLower(word) || strings.Join(strings.Fields(word), " ") != word {
			t.Errorf("%q stands twice or is not in its normal form", word)
		}
		seen[word] = true
	}
}
