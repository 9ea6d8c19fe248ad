package stream

// Interest bounds which events a reader of the log needs. A Log need not yield the others, but may.
type Interest struct {
	// Everything means every event, whatever the other fields say.
	Everything bool
	Types      []string // nil means every type
	Keys       []string // nil means every key, and events without one; an empty key stands for these
	Grants     []string // tags of audiences, present or former; public events are needed in any case
}
