// Package notify is part of package db; its owner writes this comment.
package notify
