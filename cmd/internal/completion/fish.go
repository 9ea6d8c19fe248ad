package completion

import (
	"fmt"
	"strings"
)

// fish returns the script for fish 3 and newer.
func fish(root command) string {
	var b strings.Builder
	name := root.name
	fmt.Fprintf(&b, "# Completions of %s for fish.\n\nfunction __%s_in\n    set -l command ''\n", name, name)
	b.WriteString("    for word in (commandline -opc)[2..-1]\n        switch \"$command/$word\"\n")
	root.walk(func(c command) {
		for _, child := range c.children {
			fmt.Fprintf(&b, "            case %s\n                set command %s\n", fishQuote(c.path+"/"+child.name), fishQuote(child.path))
		}
	})
	b.WriteString("        end\n    end\n    test \"$command\" = \"$argv[1]\"\nend\n\n")
	fmt.Fprintf(&b, "complete -c %s -f\n", name)
	root.walk(func(c command) {
		begin := fmt.Sprintf("complete -c %s -n %s", name, fishQuote(fmt.Sprintf("__%s_in '%s'", name, c.path)))
		for _, child := range c.children {
			fmt.Fprintf(&b, "%s -a %s -d %s\n", begin, child.name, fishQuote(child.help))
		}
		for _, o := range c.options {
			fmt.Fprintf(&b, "%s%s\n", begin, fishOption(o))
		}
		if c.values != nil {
			fmt.Fprintf(&b, "%s -a %s\n", begin, fishQuote(strings.Join(c.values, " ")))
		}
		if c.isFile {
			fmt.Fprintf(&b, "%s -F\n", begin)
		}
	})
	return b.String()
}

func fishOption(o option) string {
	s := " -l " + o.long
	if o.short != "" {
		s += " -s " + o.short
	}
	switch {
	case o.values != nil:
		s += " -x -a " + fishQuote(strings.Join(o.values, " "))
	case o.isFile:
		s += " -r -F"
	case o.value != "":
		s += " -x"
	}
	return s + " -d " + fishQuote(o.help)
}

// fishQuote returns a text as one word of fish, whose single quotes have two escapes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
