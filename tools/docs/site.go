package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// site writes what VitePress builds from.
type site struct {
	root, output string
	index        index
	pages        map[string]page // by path in the repository
	images       map[string]string
}

// writeSite writes the pages, the texts for language models, the images and the sidebar into a directory.
func writeSite(root, output, base string, versions []string) error {
	x, err := readIndex(root)
	if err != nil {
		return err
	}
	s := site{root: root, output: output, index: x, pages: map[string]page{}, images: map[string]string{}}
	for _, p := range x.pages() {
		s.pages[p.Path] = p
	}
	if err := os.RemoveAll(output); err != nil {
		return fmt.Errorf("remove the former pages: %w", err)
	}
	full := x.head()
	for _, p := range x.pages() {
		text, err := os.ReadFile(filepath.Join(root, p.Path))
		if err != nil {
			return fmt.Errorf("read a page: %w", err)
		}
		body := rewriteLinks(string(text), func(target string) string { return s.link(p, target) })
		full += fmt.Sprintf("\n---\nsource: %s\n---\n\n%s", p.Path, body)
		front := fmt.Sprintf("---\nsource: %s\n---\n\n", p.Path)
		if err := s.write(p.Site, front+body); err != nil {
			return err
		}
		if err := s.write("public/"+p.Site, body); err != nil {
			return err
		}
	}
	if err := s.write("versions.md", versionsPage(base, versions)); err != nil {
		return err
	}
	return s.writeRest(full)
}

// versionsPage links to the other versions. VitePress leaves addresses in HTML alone: those in Markdown are of this version.
func versionsPage(base string, versions []string) string {
	text := "# Versions\n\nThe documentation of each version.\n\n"
	for i, version := range versions {
		address := base
		if i > 0 {
			address += version + "/"
		}
		text += fmt.Sprintf("* <a href=\"%s\" target=\"_self\">%s</a>\n", address, version)
	}
	return text
}

// writeRest writes what is no page.
func (s site) writeRest(full string) error {
	llms := rewriteLinks(s.index.text, func(target string) string { return sitePath(target) })
	sidebar, err := json.MarshalIndent(s.index.sections, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the sidebar: %w", err)
	}
	for name, text := range map[string]string{"public/llms.txt": llms, "public/llms-full.txt": full, "sidebar.json": string(sidebar)} {
		if err := s.write(name, text); err != nil {
			return err
		}
	}
	for from, to := range s.images {
		data, err := os.ReadFile(filepath.Join(s.root, from))
		if err != nil {
			return fmt.Errorf("read an image: %w", err)
		}
		if err := s.write(to, string(data)); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file of the site.
func (s site) write(name, text string) error {
	name = filepath.Join(s.output, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("create a directory of the site: %w", err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write a file of the site: %w", err)
	}
	return nil
}

// link returns where a link of a page leads on the site.
func (s site) link(from page, target string) string {
	file, anchor, ok := resolve(from.Path, target)
	if !ok {
		return target
	}
	suffix := ""
	if anchor != "" {
		suffix = "#" + anchor
	}
	if to, ok := s.pages[file]; ok {
		if to.Path == from.Path && anchor != "" {
			return suffix
		}
		return relative(from.Site, to.Site) + suffix
	}
	if ext := path.Ext(file); ext == ".png" || ext == ".svg" {
		to := "images/" + path.Base(file)
		s.images[file] = to
		return relative(from.Site, to)
	}
	if info, err := os.Stat(filepath.Join(s.root, file)); err == nil && info.IsDir() {
		return repository + "/tree/main/" + file
	}
	return repository + "/blob/main/" + file + suffix
}

// relative returns a link from one file of the site to another.
func relative(from, to string) string {
	rel, err := filepath.Rel(filepath.FromSlash(path.Dir(from)), filepath.FromSlash(to))
	if err != nil {
		return to
	}
	if rel = filepath.ToSlash(rel); !strings.HasPrefix(rel, ".") {
		rel = "./" + rel
	}
	return rel
}

// head returns llms.txt without its lists: what is true of all pages.
func (x index) head() string {
	head, _, _ := strings.Cut(x.text, "\n## ")
	return head + "\n"
}
