package triggers

import "strings"

// hideLineBreaks replaces line breaks by a byte that SQL cannot contain, so that indent does not change
// the strings and quoted names of expr.
func hideLineBreaks(expr string) string { return strings.ReplaceAll(expr, "\n", "\x00") }

// restoreLineBreaks restores the line breaks that hideLineBreaks replaced, in the finished text.
func restoreLineBreaks(text string) string { return strings.ReplaceAll(text, "\x00", "\n") }

// indent indents every line that is not empty.
func indent(text string, levels int) string {
	prefix := strings.Repeat("    ", levels)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = prefix + line
		}
	}
	return strings.Join(lines, "\n")
}
