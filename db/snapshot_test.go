package db_test

import (
	"testing"

	"github.com/pgherald/pgherald/db"
)

func FuzzParseSnapshot(f *testing.F) {
	f.Add("10:20:10,14,15")
	f.Add("10:10:")
	f.Add("::")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = db.ParseSnapshot(s) })
}
