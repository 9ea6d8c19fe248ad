package configfile

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// FlagName is the flag that names the file.
const FlagName = "config"

// Resolver implements kong.Resolver with the file that --config or its variable names. Use it for one
// command line.
type Resolver struct {
	// Command names the command whose flags, with those of the program, are the keys of a file. Other
	// commands may read the same file; they ignore keys for which they have no flag.
	Command string

	loaded bool
	file   *file // nil if there is none
}

// Option registers the resolver with a parser.
func (r *Resolver) Option() kong.Option {
	return kong.OptionFunc(func(k *kong.Kong) error {
		return errors.Join(kong.WithBeforeResolve(r.load).Apply(k), kong.Resolvers(r).Apply(k))
	})
}

// load reads the file, if the command has a flag for it, and checks its keys and its values.
func (r *Resolver) load(ctx *kong.Context) error {
	if r.loaded { // kong calls the hook for each element of the command line
		return nil
	}
	r.loaded = true
	i := slices.IndexFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == FlagName })
	if i < 0 {
		return nil
	}
	name, _ := ctx.FlagValue(ctx.Flags()[i]).(string)
	if name == "" {
		return nil
	}
	f, err := read(name)
	if err != nil {
		return err
	}
	r.file = f
	errs := f.checkKeys(r.keys(ctx.Model))
	for _, flag := range ctx.Flags() {
		if s, ok := f.settings[flag.Name]; ok {
			_, err := f.parse(flag, s)
			errs = append(errs, err)
		}
	}
	return join(errs)
}

// Validate implements kong.Resolver. load has validated the file.
func (r *Resolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. It returns nil for a flag that the environment sets, since kong reads
// the environment first and would otherwise let the file win.
func (r *Resolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if r.file == nil || flag.Name == FlagName || envOf(flag) != "" {
		return nil, nil
	}
	s, ok := r.file.settings[flag.Name]
	if !ok {
		return nil, nil
	}
	return r.file.parse(flag, s)
}

// keys returns the names that a file may contain.
func (r *Resolver) keys(app *kong.Application) (keys []string) {
	nodes := []*kong.Node{app.Node}
	for _, child := range app.Children {
		if child.Name == r.Command {
			nodes = append(nodes, child)
		}
	}
	for _, n := range nodes {
		for _, flag := range n.Flags {
			if flag.Name != "help" && flag.Name != FlagName {
				keys = append(keys, flag.Name)
			}
		}
	}
	return keys
}

// checkKeys returns an error for each key that is not known, with the closest one.
func (f *file) checkKeys(known []string) (errs []error) {
	for key, s := range f.settings {
		if slices.Contains(known, key) {
			continue
		}
		hint := ""
		if closest := closestTo(key, known); closest != "" {
			hint = fmt.Sprintf(", did you mean %q?", closest)
		}
		errs = append(errs, f.errorAtLine(s.line, "unknown key %q%s", key, hint))
	}
	return errs
}

// parse returns a setting as text for kong, after a trial that locates an error in the file.
func (f *file) parse(flag *kong.Flag, s setting) (string, error) {
	text := s.text
	if s.list != nil {
		if !flag.IsSlice() {
			return "", f.errorAtLine(s.line, "%s: want one value, not a list", flag.Name)
		}
		text = kong.JoinEscaped(s.list, flag.Tag.Sep)
	}
	trial := reflect.New(flag.Target.Type()).Elem()
	scan := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text})
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, trial); err != nil {
		return "", f.errorAtLine(s.line, "%s: %w", flag.Name, err)
	}
	if enum := flag.EnumSlice(); flag.Enum != "" && !slices.Contains(enum, text) {
		return "", f.errorAtLine(s.line, "%s: must be one of %s, not %q", flag.Name, strings.Join(enum, ", "), text)
	}
	return text, nil
}

// envOf returns the environment variable that sets a flag, empty if none does.
func envOf(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

// closestTo returns the name with the least edit distance to key, empty if none is similar.
func closestTo(key string, names []string) string {
	best, least := "", max(2, len(key)/2)
	for _, name := range names {
		if d := distance(strings.ReplaceAll(key, "_", "-"), name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns the Levenshtein distance of two texts in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the prefix of a to each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
