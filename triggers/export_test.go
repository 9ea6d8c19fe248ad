package triggers

// Exported for the tests against a database.

func QuoteIdent(name string) string   { return quoteIdent(name) }
func QuoteLiteral(text string) string { return quoteLiteral(text) }
