// Package control is part of package db; its owner writes this comment.
package control
