package bench

import (
	"strings"
	"testing"
)

// TestDoorbell: cut out is what rings, and nothing else.
func TestDoorbell(t *testing.T) {
	t.Parallel()
	const before = "        get diagnostics written = row_count;\n    end if;\n"
	const ring = "    -- Nobody need ring while a waker holds this lock.\n    if written > 0 and (case when a(1) then b(1) end) then\n        perform pg_notify('pgherald', json_build_object(\n            'x', 1\n        )::text);\n    end if;\n"
	const after = "    return null;\nend\n"
	if got := doorbell.ReplaceAllString(before+ring+after, ""); got != before+after {
		t.Errorf("left is\n%s", got)
	}
	if got := doorbell.ReplaceAllString(before+strings.Replace(ring, "-- N", "-- Other", 1)+after, ""); strings.Contains(got, "pg_notify") {
		t.Errorf("without the comment, left is\n%s", got)
	}
}
