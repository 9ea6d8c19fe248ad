package triggers

import _ "embed"

//go:embed workload.yaml
var workloadYAML []byte

// Workload returns the spec of the example's three tables. It is embedded in the program, and Workload
// panics if it has a mistake; the tests exclude that.
func Workload() Spec {
	spec, err := Parse(workloadYAML)
	if err != nil {
		panic("parse the embedded workload.yaml: " + err.Error())
	}
	return spec
}
