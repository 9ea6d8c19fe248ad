package web

// Include replaces the names of parts in a page.
func Include(parts map[string]string, page string) (string, error) {
	whole, err := include(filesOf(parts), "page", []byte(page))
	return string(whole), err
}

// Link joins modules, given by their paths.
func Link(modules map[string]string, first string) (string, error) {
	l := linker{served: filesOf(modules), names: make(map[string]string)}
	_, err := l.add("/" + first)
	return l.out.String(), err
}

func filesOf(texts map[string]string) map[string]*file {
	served := make(map[string]*file)
	for name, text := range texts {
		served["/"+name] = newFile(name, []byte(text))
	}
	return served
}
