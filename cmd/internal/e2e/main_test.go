package e2e

import (
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

// TestMain gives tests databases that are empty: serve makes its own tables.
func TestMain(m *testing.M) { pgtest.Main(m, nil) }
