package triggers

import (
	"strings"
	"unicode"
)

// sensitiveWords returns the words of column names that look like secrets or like numbers of people and accounts.
// A column whose name has one of them, by its parts, stays out of the events of tables that a pattern chose. Several
// words in a row are one entry: credit card fits credit_card_no and creditCard. docs/spec.md lists them.
func sensitiveWords() []string {
	return []string{
		"password", "passwd", "passphrase", "passcode", "pwd", "pw", "secret", "token", "jwt", "bearer", "credential", "api key", "apikey",
		"access key", "auth key", "private key", "secret key", "encryption key", "hash", "salt", "otp", "totp", "mfa", "pin",
		"recovery code", "backup code", "session id", "ssn", "social security", "tax id", "national id", "passport",
		"credit card", "creditcard", "card number", "card no", "cvv", "cvc", "iban", "bank account", "account number",
		"routing number",
	}
}

// gluedWords returns words that are sensitive inside other words too, as in userpassword.
func gluedWords() []string {
	return []string{"password", "passwd", "passphrase", "apikey", "creditcard", "secretkey", "privatekey", "accesstoken"}
}

// looksSensitive reports whether the name of a column suggests a value that clients should not see.
func looksSensitive(column string) bool {
	parts := wordParts(column)
	name := " " + strings.Join(parts, " ") + " "
	for _, word := range sensitiveWords() {
		if strings.Contains(name, " "+word+" ") || strings.Contains(name, " "+word+"s ") || strings.Contains(name, " "+word+"es ") {
			return true
		}
	}
	joined := strings.ToLower(column)
	for _, word := range gluedWords() {
		if strings.Contains(joined, word) {
			return true
		}
	}
	return false
}

// wordParts splits a name at what is no letter and where a capital begins a word, into lower-case words.
func wordParts(name string) []string {
	var parts []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			parts = append(parts, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			end()
			continue
		}
		afterLower := i > 0 && unicode.IsLower(runes[i-1])
		beforeLower := i > 0 && unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
		if unicode.IsUpper(r) && (afterLower || beforeLower) {
			end()
		}
		word = append(word, r)
	}
	end()
	return parts
}
