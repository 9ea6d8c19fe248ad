package triggers

// What the tests against a database need of the inside.

func QuoteIdent(name string) string   { return quoteIdent(name) }
func QuoteLiteral(text string) string { return quoteLiteral(text) }
