package install_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// service is a process of the unit.
type service struct {
	t            *testing.T
	command      *exec.Cmd
	url, version string
	ended        chan struct{} // closed after wait
	err          error
	stopOnce     sync.Once
}

// startUnit runs the unit's command as systemd does as far as another program can: as its user, without privileges and with
// its environment only. It returns once the server serves. The sandbox is left out, which needs systemd.
func startUnit(t *testing.T) *service {
	t.Helper()
	unit := readUnit(t, unitFile)
	args := []string{"--reuid=" + unit["User"], "--regid=" + unit["Group"], "--init-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"}
	s := &service{t: t, command: exec.Command("setpriv", append(args, strings.Fields(unit["ExecStart"])...)...), ended: make(chan struct{})}
	variables, err := os.ReadFile(strings.TrimPrefix(unit["EnvironmentFile"], "-")) // as systemd does, as root
	if err != nil {
		t.Fatal(err)
	}
	s.command.Env = append([]string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin", "USER=" + unit["User"], "HOME=/"}, strings.Fields(string(variables))...)
	s.command.Dir = "/"
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := s.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	serving := make(chan struct{})
	go s.read(bufio.NewScanner(stderr), serving)
	select {
	case <-serving:
	case <-s.ended:
		t.Fatalf("the server ended: %v", s.err)
	case <-time.After(hang):
		t.Fatalf("the server did not serve within %v", hang)
	}
	return s
}

// read reads the log until the process ends.
func (s *service) read(lines *bufio.Scanner, serving chan<- struct{}) {
	defer close(s.ended)
	for lines.Scan() {
		var line struct{ Msg, URL, Version string }
		s.t.Log(lines.Text())
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Msg == "serving" && serving != nil {
			s.url, s.version = line.URL, line.Version
			close(serving)
			serving = nil
		}
	}
	s.err = s.command.Wait()
}

// stop ends the process with the signal of systemctl stop, and checks that it succeeds.
func (s *service) stop() {
	s.stopOnce.Do(func() {
		if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
			s.t.Logf("stop the server: %v", err)
		}
		select {
		case <-s.ended:
		case <-time.After(hang):
			_ = s.command.Process.Kill()
			<-s.ended
		}
		if s.err != nil {
			s.t.Errorf("the server ended with %v", s.err)
		}
	})
}

// readUnit returns the settings of a unit: of those with several values, the last.
func readUnit(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = value
		}
	}
	return settings
}
