package main

import (
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestMain gives the tests empty databases.
func TestMain(m *testing.M) { pgtest.Main(m, nil) }
