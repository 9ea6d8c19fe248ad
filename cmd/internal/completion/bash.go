package completion

import (
	"fmt"
	"strings"
)

// bash returns the script for bash 3.2, which macOS has, and newer.
func bash(root command) string {
	var b strings.Builder
	name := root.name
	fmt.Fprintf(&b, "# Completions of %s for bash.\n\n_%s() {\n", name, name)
	b.WriteString(`    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' words='' values=- i
    COMPREPLY=()
    # bash splits --flag=value at the sign.
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $prev == '=' && COMP_CWORD -gt 1 ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$command/${COMP_WORDS[i]}" in
`)
	root.walk(func(c command) {
		for _, child := range c.children {
			fmt.Fprintf(&b, "            %s) command=%s ;;\n", quote(c.path+"/"+child.name), quote(child.path))
		}
	})
	b.WriteString("        esac\n    done\n    case $command in\n")
	root.walk(func(c command) { bashCommand(&b, c) })
	b.WriteString(`    esac
    if [[ $values == files ]]; then
        return # complete -o default completes files
    fi
    compopt +o default 2>/dev/null
    [[ $values == - ]] || words=$values
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
`)
	fmt.Fprintf(&b, "complete -o default -F _%s %s\n", name, name)
	return b.String()
}

// bashCommand writes the words of one command, and the values of its options.
func bashCommand(b *strings.Builder, c command) {
	fmt.Fprintf(b, "        %s)\n            words=%s\n", quote(c.path), quote(strings.Join(c.names(), " ")))
	words := c.values
	for _, child := range c.children {
		words = append(words, child.name)
	}
	if len(words) > 0 {
		fmt.Fprintf(b, "            [[ $cur == -* ]] || words=%s\n", quote(strings.Join(words, " ")))
	}
	if c.isFile {
		b.WriteString("            [[ $cur == -* ]] || values=files\n")
	}
	byValues := map[string][]string{}
	var order []string
	for _, o := range c.options {
		if o.value == "" {
			continue
		}
		values := strings.Join(o.values, " ")
		if o.isFile {
			values = "files"
		}
		if byValues[values] == nil {
			order = append(order, values)
		}
		byValues[values] = append(byValues[values], "--"+o.long)
		if o.short != "" {
			byValues[values] = append(byValues[values], "-"+o.short)
		}
	}
	if len(order) > 0 {
		b.WriteString("            case $prev in\n")
		for _, values := range order {
			fmt.Fprintf(b, "                %s) values=%s ;;\n", strings.Join(byValues[values], " | "), quote(values))
		}
		b.WriteString("            esac\n")
	}
	b.WriteString("            ;;\n")
}
