package conformance

// Scenarios returns all scenarios.
func Scenarios() []Scenario {
	var all []Scenario
	for _, part := range [][]Scenario{
		bytesScenarios(), resumeScenarios(), refusalScenarios(), tokenScenarios(), collectionScenarios(),
		orderScenarios(), pageScenarios(), fallbackScenarios(),
	} {
		all = append(all, part...)
	}
	return all
}

// events is how streams without a collection are opened.
var events = Start{Open: "events"}

// withTokens opens a stream with tokens.
var withTokens = Start{Open: "events", Tokens: true}
