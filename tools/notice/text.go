package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const header = `pgherald is licensed under the Apache License, Version 2.0: see LICENSE.

Its programs and its dashboard contain the software below, and the standard library of Go, which has the licence of
golang.org/x. This file is written by go run ./tools/notice.
`

// permitted lists phrases of the licences that may be distributed with pgherald. The text of every other one needs a
// person to read it.
var permitted = []string{
	"Permission is hereby granted, free of charge, to any person obtaining a copy", // MIT
	"Redistribution and use in source and binary forms",                            // BSD
	"Apache License Version 2.0",
	"Permission to use, copy, modify, and/or distribute this software", // ISC
}

// notice returns the text of NOTICE. Equal licences appear once, under all their names.
func notice(all []licence) ([]byte, error) {
	names := make(map[string][]string) // by text
	for _, l := range all {
		text := normalize(l.text)
		if !slices.Contains(names[text], l.name) {
			names[text] = append(names[text], l.name)
		}
	}
	texts := make([]string, 0, len(names))
	for text, list := range names {
		slices.Sort(list)
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b string) int {
		return strings.Compare(names[a][0]+"\n"+a, names[b][0]+"\n"+b)
	})
	for _, l := range all {
		if err := checkPermitted(l, all); err != nil {
			return nil, err
		}
	}
	out := bytes.NewBufferString(header)
	for _, text := range texts {
		fmt.Fprintf(out, "\n%s\n%s\n\n%s", strings.Repeat("=", 80), strings.Join(names[text], "\n"), text)
	}
	return out.Bytes(), nil
}

var space = regexp.MustCompile(`\s+`)

// checkPermitted returns an error unless one text with the name is a permitted licence: the others are notices.
func checkPermitted(l licence, all []licence) error {
	for _, other := range all {
		flat := space.ReplaceAllString(other.text, " ")
		if other.name == l.name && slices.ContainsFunc(permitted, func(phrase string) bool { return strings.Contains(flat, phrase) }) {
			return nil
		}
	}
	return fmt.Errorf("%s has a licence that tools/notice does not know: read it, and add it to tools/notice/text.go if it allows distribution", l.name)
}

// normalize returns the text with Unix line ends, without space at the ends of lines and empty lines around it.
func normalize(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n") + "\n"
}
