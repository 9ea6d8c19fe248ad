package bench

import (
	"strings"
	"testing"
)

// TestWakeUpPattern checks that the pattern matches the statement that sends the wake-up, and nothing else.
func TestWakeUpPattern(t *testing.T) {
	t.Parallel()
	const before = "        written = true;\n    end if;\n"
	const comment = "    -- The first write sends a wake-up,\n    -- unless the leader does.\n"
	const statement = "    if written and coalesce(a(1), '')\n        operator(pg_catalog.<>) b(1)\n    then\n" +
		"        perform c(1);\n        if (case when a(1) then b(1) end) then\n            perform pg_notify('pgherald', json_build_object(\n" +
		"                'x', 1\n            )::text);\n        end if;\n    end if;\n"
	const after = "    return null;\nend\n"
	for _, text := range []string{comment + statement, statement} {
		if got := wakeUp.ReplaceAllString(before+text+after, ""); got != before+after {
			t.Errorf("without the wake-up, %q is\n%s", text, got)
		}
	}
	if got := wakeUp.ReplaceAllString(before+comment+after, ""); !strings.Contains(got, comment) {
		t.Errorf("the pattern matches a comment alone:\n%s", got)
	}
}
