package completion

import (
	"fmt"
	"strings"
)

// zsh returns the script, to be installed as _NAME in a folder of fpath.
func zsh(root command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n# Completions of %s for zsh.\n", root.name, root.name)
	root.walk(func(c command) { zshFunction(&b, root.name, c) })
	// The first call loads the functions and completes too.
	fmt.Fprintf(&b, "\nif [[ $funcstack[1] == _%[1]s ]]; then\n    _%[1]s \"$@\"\nelse\n    compdef _%[1]s %[1]s\nfi\n", root.name)
	return b.String()
}

// zshFunction writes the function that completes one command.
func zshFunction(b *strings.Builder, program string, c command) {
	fmt.Fprintf(b, "\n%s() {\n", zshName(program, c.path))
	if len(c.children) > 0 {
		b.WriteString("    local curcontext=$curcontext state line\n    local -A opt_args\n    local -a commands\n    commands=(\n")
		for _, child := range c.children {
			fmt.Fprintf(b, "        %s\n", quote(child.name+":"+child.help))
		}
		b.WriteString("    )\n    _arguments -C")
	} else {
		b.WriteString("    _arguments")
	}
	for _, o := range c.options {
		for _, spec := range zshOption(o) {
			fmt.Fprintf(b, " \\\n        %s", quote(spec))
		}
	}
	switch {
	case len(c.children) > 0:
		b.WriteString(" \\\n        '1:command:->command' \\\n        '*::argument:->argument'\n    case $state in\n")
		b.WriteString("        command) _describe command commands ;;\n        argument)\n            case $line[1] in\n")
		for _, child := range c.children {
			fmt.Fprintf(b, "                %s) %s ;;\n", child.name, zshName(program, child.path))
		}
		b.WriteString("            esac\n            ;;\n    esac\n}\n")
	case c.values != nil:
		fmt.Fprintf(b, " \\\n        '1:value:(%s)'\n}\n", strings.Join(c.values, " "))
	case c.isFile:
		b.WriteString(" \\\n        '*:file:_files'\n}\n")
	default:
		b.WriteString("\n}\n")
	}
}

// zshOption returns the specifications for _arguments of an option and of its short form.
func zshOption(o option) (specs []string) {
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`)
	help := "[" + escape.Replace(o.help) + "]"
	action := ""
	if o.value != "" {
		action = ":" + escape.Replace(o.value) + ":"
		switch {
		case o.values != nil:
			action += "(" + strings.Join(o.values, " ") + ")"
		case o.isFile:
			action += "_files"
		}
	}
	long := "--" + o.long
	if o.value != "" {
		long += "=" // also takes the value as the next word
	}
	specs = append(specs, long+help+action)
	if o.short != "" {
		specs = append(specs, "-"+o.short+help+action)
	}
	return specs
}

func zshName(program, path string) string {
	if path == "" {
		return "_" + program
	}
	return "_" + program + "_" + strings.ReplaceAll(path, " ", "_")
}
