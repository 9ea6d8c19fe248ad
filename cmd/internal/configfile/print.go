package configfile

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// Redacted replaces secrets.
const Redacted = "REDACTED"

// Print writes the flags of a parsed command line as a config file, in the order and the groups of --help.
// A comment behind each value says where it comes from. Flags without a value become comments.
//
// Flags with the tag secret:"text" are redacted as a whole, and those with secret:"url" without their
// passwords.
func (r *Resolver) Print(w io.Writer, ctx *kong.Context) error {
	lines := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	group := ""
	for _, flag := range r.flags(ctx) {
		if flag.Group != nil && flag.Group.Title != group {
			if group != "" {
				fmt.Fprintln(lines)
			}
			group = flag.Group.Title
			fmt.Fprintln(lines, "#", group)
		}
		value, err := format(flag, ctx.FlagValue(flag))
		if err != nil {
			return fmt.Errorf("print --%s: %w", flag.Name, err)
		}
		if value == "" {
			fmt.Fprintf(lines, "# %s:\t# not set\n", flag.Name)
			continue
		}
		if value == Redacted {
			fmt.Fprintf(lines, "# %s: %s\t# %s\n", flag.Name, value, r.source(ctx, flag))
			continue
		}
		fmt.Fprintf(lines, "%s: %s\t# %s\n", flag.Name, value, r.source(ctx, flag))
	}
	return lines.Flush()
}

// flags returns the flags to print, the command's before the program's.
func (r *Resolver) flags(ctx *kong.Context) (flags []*kong.Flag) {
	known := r.keys(ctx.Model)
	for _, flag := range ctx.Flags() {
		if slices.Contains(known, flag.Name) {
			flags = append(flags, flag)
		}
	}
	program := func(f *kong.Flag) int {
		if slices.Contains(ctx.Model.Flags, f) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(flags, func(a, b *kong.Flag) int { return program(a) - program(b) })
	return flags
}

// source says where the value of a flag comes from.
func (r *Resolver) source(ctx *kong.Context, flag *kong.Flag) string {
	given := slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag && !p.Resolved })
	if given {
		return "--" + flag.Name
	}
	if env := envOf(flag); env != "" {
		return "$" + env
	}
	if r.file != nil {
		if s, ok := r.file.settings[flag.Name]; ok {
			return fmt.Sprintf("%s:%d", r.file.name, s.line)
		}
	}
	return "default"
}

// format returns a value as YAML on one line, empty if it is not set.
func format(flag *kong.Flag, value any) (string, error) {
	switch v := reflect.ValueOf(value); {
	case v.Kind() == reflect.String && v.Len() == 0, v.Kind() == reflect.Slice && v.Len() == 0:
		return "", nil
	}
	switch v := value.(type) {
	case time.Duration:
		return FormatDuration(v), nil
	case slog.Level:
		return strings.ToLower(v.String()), nil
	case fmt.Stringer:
		return v.String(), nil
	case string:
		value = redact(flag.Tag.Get("secret"), v)
	}
	text, err := yaml.MarshalWithOptions(value, yaml.Flow(true))
	if err == nil && strings.Contains(strings.TrimSpace(string(text)), "\n") {
		text, err = yaml.MarshalWithOptions(value, yaml.JSON())
	}
	return strings.TrimSpace(string(text)), err
}

// FormatDuration returns 24h where time.Duration's own format is 24h0m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
