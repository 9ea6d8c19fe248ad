package web

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
)

var (
	stylesheet   = regexp.MustCompile(`(?m)^ *<link rel="stylesheet" href="([^"]+)">\n`)
	included     = regexp.MustCompile(`(?m)^ *<!-- include (\S+) -->\n`)
	moduleScript = regexp.MustCompile(`<script type="module" src="([^"]+)"></script>`)

	importLine   = regexp.MustCompile(`(?m)^import (\{[^}]*\}|\* as \w+) from '([^']+)';$`)
	exportedName = regexp.MustCompile(`(?m)^export (async function|function|class|const) (\w+)`)
	exportedList = regexp.MustCompile(`(?m)^export \{([^}]*)\};$`)
	otherForm    = regexp.MustCompile(`(?m)^(import|export)\b.*`)
)

// include replaces the lines of a page that name a part, as in "<!-- include shared/html/head.html -->": what all pages have in
// common is written once.
func include(served map[string]*file, dir string, page []byte) ([]byte, error) {
	var failure error
	page = included.ReplaceAllFunc(page, func(line []byte) []byte {
		name := "/" + string(included.FindSubmatch(line)[1])
		part, ok := served[name]
		if !ok {
			failure = fmt.Errorf("join the parts of %s: no file %s", dir, name)
			return nil
		}
		return part.plain.content
	})
	return page, failure
}

// linkPage joins the style sheets and the modules of a page, so that a browser loads it with few requests: it adds the two
// files to served, and returns the page that refers to them. dir is the folder of the page. Decision 108 in
// docs/decisions.md says why the server does this.
func linkPage(served map[string]*file, dir string, page []byte) ([]byte, error) {
	page, err := include(served, dir, page)
	if err != nil {
		return nil, err
	}
	var styles bytes.Buffer
	for _, match := range stylesheet.FindAllSubmatch(page, -1) {
		sheet, ok := served["/"+string(match[1])]
		if !ok {
			return nil, fmt.Errorf("join the style sheets of %s: no file %s", dir, match[1])
		}
		styles.Write(sheet.plain.content)
	}
	first := moduleScript.FindSubmatch(page)
	if first == nil {
		return nil, fmt.Errorf("join the modules of %s: the page has no module", dir)
	}
	modules := linker{served: served, names: make(map[string]string)}
	if _, err := modules.add("/" + string(first[1])); err != nil {
		return nil, err
	}
	served["/"+dir+"/page.css"] = newFile("page.css", styles.Bytes())
	served["/"+dir+"/page.js"] = newFile("page.js", modules.out.Bytes())
	page = stylesheet.ReplaceAll(page, nil)
	return moduleScript.ReplaceAll(page, fmt.Appendf(nil, `<link rel="stylesheet" href="%s/page.css">
  <script type="module" src="%[1]s/page.js"></script>`, dir)), nil
}

// linker joins modules: each becomes a function that runs once, and returns what the module exports. It knows the forms of import and export
// that the modules use, and refuses others.
type linker struct {
	served map[string]*file
	names  map[string]string // of the constants with the exports, by path; empty while a module is being added
	added  int
	out    bytes.Buffer
}

// add writes a module after those that it imports, and returns the name of the constant with its exports.
func (l *linker) add(file string) (string, error) {
	if name, ok := l.names[file]; ok {
		if name == "" {
			return "", fmt.Errorf("join the modules: %s imports itself through others", file)
		}
		return name, nil
	}
	source, ok := l.served[file]
	if !ok {
		return "", fmt.Errorf("join the modules: no file %s", file)
	}
	l.names[file] = ""
	text, err := l.imports(file, string(source.plain.content))
	if err != nil {
		return "", err
	}
	text, exports := takeExports(text)
	if other := otherForm.FindString(text); other != "" {
		return "", fmt.Errorf("join the modules: %s has %q: teach web/link.go this form", file, other)
	}
	l.added++
	name := fmt.Sprintf("$%d", l.added)
	l.names[file] = name
	fmt.Fprintf(&l.out, "// %s\nconst %s = (() => {\n%s\nreturn { %s };\n})();\n\n", strings.TrimPrefix(file, "/"), name, text, strings.Join(exports, ", "))
	return name, nil
}

// imports adds the modules that a module imports, and replaces the imports.
func (l *linker) imports(file, text string) (string, error) {
	var failure error
	text = importLine.ReplaceAllStringFunc(text, func(line string) string {
		match := importLine.FindStringSubmatch(line)
		from, err := l.add(path.Join(path.Dir(file), match[2]))
		if err != nil {
			failure = err
		}
		if whole, ok := strings.CutPrefix(match[1], "* as "); ok {
			return "const " + whole + " = " + from + ";"
		}
		return "const " + strings.ReplaceAll(match[1], " as ", ": ") + " = " + from + ";"
	})
	return text, failure
}

// takeExports removes the exports from a module, and returns their names.
func takeExports(text string) (string, []string) {
	var names []string
	for _, match := range exportedName.FindAllStringSubmatch(text, -1) {
		names = append(names, match[2])
	}
	for _, match := range exportedList.FindAllStringSubmatch(text, -1) {
		for name := range strings.SplitSeq(match[1], ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return exportedList.ReplaceAllString(exportedName.ReplaceAllString(text, "$1 $2"), ""), names
}
