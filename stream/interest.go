package stream

// Interest bounds which events a reader of the log needs. A Log need not yield the others, but may.
type Interest struct {
	// Everything means every event, whatever the other fields say.
	Everything bool
	Types      []string // nil means every type
	Keys       []string // nil means every key, and events without one
	Grants     []string // tags of audiences; public events are needed in any case
}
