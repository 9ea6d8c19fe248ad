package triggers

import _ "embed"

//go:embed workload.yaml
var workloadYAML []byte

// Workload returns the spec of the workload's own three tables. It is part of the program, so a
// mistake in it is a bug: the tests parse it, and here it panics.
func Workload() Spec {
	spec, err := Parse(workloadYAML)
	if err != nil {
		panic("parse the embedded workload.yaml: " + err.Error())
	}
	return spec
}
