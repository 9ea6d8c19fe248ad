package collection

import (
	"fmt"
	"strings"
)

// ParamError says what is wrong with a parameter of a request, and what to write instead.
type ParamError struct {
	Param, Detail string
	// IsUnknown says that the parameter names a collection, a field or a label of an enum that is not known. It may be new.
	IsUnknown bool
}

func (e *ParamError) Error() string { return "parameter " + e.Param + " " + e.Detail }

// maxShown bounds what an error shows of a text that a client sent.
const maxShown = 60

// show returns the text, quoted and not too long.
func show(text string) string {
	if len(text) > maxShown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(text[:maxShown], ""))
	}
	return fmt.Sprintf("%q", text)
}

// maxListed bounds the names that an error lists.
const maxListed = 100

func list(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + fmt.Sprintf(" and %d more", len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
