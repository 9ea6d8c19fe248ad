package stream_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// epochTime stands for the time where it does not matter.
var epochTime = time.UnixMilli(1764000000000)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
