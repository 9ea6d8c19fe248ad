package collection_test

import (
	"testing"

	"github.com/pgherald/pgherald/db/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, nil) }
