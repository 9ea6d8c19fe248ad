package main

// banned lists the words that docs/glossary.md replaces or forbids. It is the glossary's list:
// change both together, and only here and there.
//
// A word matches itself only, so every form is listed. It matches a whole word of prose and a whole
// part of an identifier: "bell" finds newBell and new_bell, and not "label". A phrase also matches
// across a line break, and as parts of one identifier: "turn away" finds turnAway.
var banned = []string{
	// Riddles: name the actor instead.
	"nobody", "whoever", "whomever", "somebody", "anybody", "everybody", "everyone",
	"told", "asked",
	"for good", "in vain", "as they are", "as it is", "its own way", "their own way",
	"is what", "is who", "is when", "are who", "what is due",

	// Wake-ups and the notify leader.
	"doorbell", "doorbells", "bell", "bells",
	"waker", "wakers", "reign", "reigns", "reigned", "reigning", "resting", "owing", "eager", "eagerly",

	// The feed, cohorts and catch-up.
	"crowd", "crowds", "crowded", "portion", "portions", "aside",
	"depart", "departs", "departed",

	// Admission, sessions, shutdown and presence.
	"seat", "seats", "seated", "gate", "gates", "turn away", "turned away", "turns away",
	"farewell", "farewells", "goodbye", "goodbyes",
	"bury", "buries", "buried", "burial", "ghost", "ghosts",

	// History.
	"the seed",
}

// exactCase lists the banned words that match only in this spelling: the Go constant Everyone is a
// name of the API.
var exactCase = map[string]bool{"everyone": true}

// skipped lists the files that are not checked. A trailing slash means a folder; a name without a
// slash matches in every folder.
var skipped = []string{
	"LICENSE", "NOTICE", "tools/notice/npm/", "go.sum", "package-lock.json", // written by others
	"tools/lint/",      // the modules of the linter
	"tools/words/",     // the words themselves
	"docs/glossary.md", // which old word a term replaces
}
