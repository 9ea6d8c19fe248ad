package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
)

// build returns the program, which is built as the repository has it.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "pgherald")
	command := exec.Command("go", "build", "-buildvcs=false", "-o", program, "./cmd/pgherald")
	command.Dir = "../.."
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

// TestSettings runs every container's command as far as it goes without a database, with the files and variables of its pod: the
// program must know each setting and flag that the chart makes.
func TestSettings(t *testing.T) {
	program := build(t)
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		documents := mustRender(t, values)
		files := configs(t, documents)
		for _, pod := range pods(t, documents) {
			folder := writeFiles(t, files[configMap(pod)])
			for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
				args, want := command(container, folder)
				command := exec.Command(program, args...)
				command.Env = variables(container)
				if output, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != want {
					t.Errorf("%q ends with %d, want %d\n%s", args, command.ProcessState.ExitCode(), want, output)
				}
			}
		}
	})
}

// configMap returns the name of the ConfigMap that a pod has its files from.
func configMap(pod core.PodSpec) string {
	for _, volume := range pod.Volumes {
		if volume.Name == "config" {
			return volume.ConfigMap.Name
		}
	}
	return ""
}

// command returns the arguments with which a container's command can be run here, and the exit code. The settings of servers and
// edges are checked. The others find no server at their address, or have none of their own: that is 1, and 64 would be a wrong setting.
func command(container core.Container, folder string) (args []string, want int) {
	if len(container.Args) == 0 {
		return []string{"config", "check", "--config=" + filepath.Join(folder, "config.yaml")}, 0
	}
	for _, arg := range container.Args {
		if strings.HasPrefix(arg, "--url=") {
			arg = "--url=http://127.0.0.1:1"
		}
		if strings.HasPrefix(arg, "--metrics-addr=") {
			arg = "--metrics-addr=192.0.2.1:9103" // no machine has this address: a relay ends before it waits for its database
		}
		args = append(args, strings.Replace(arg, "/etc/pgherald", folder, 1))
	}
	return args, 1
}

// writeFiles writes the files of a ConfigMap into a folder, and what their settings name beside them.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	certificate, key := selfSigned(t)
	for name, text := range map[string]string{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		text = strings.NewReplacer("/etc/pgherald/", folder+"/", "/tls/", folder+"/").Replace(text)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// variables returns the environment of a container, with something that fits for each secret.
func variables(container core.Container) []string {
	var all []string
	for _, v := range container.Env {
		switch {
		case v.ValueFrom == nil && v.Name != "PGHERALD_CONFIG": // it says where the file is in the pod
			all = append(all, v.Name+"="+v.Value)
		case strings.HasSuffix(v.Name, "DATABASE_URL"):
			all = append(all, v.Name+"=postgres://pgherald@127.0.0.1:1/app")
		case v.Name == "PGHERALD_SOURCE", v.Name == "PGHERALD_STREAM_URL":
			all = append(all, v.Name+"=redis://127.0.0.1:1/0")
		case strings.HasSuffix(v.Name, "_URL"):
			all = append(all, v.Name+"=https://application.example.com/session")
		case v.ValueFrom != nil:
			all = append(all, v.Name+"="+strings.Repeat("s", 32))
		}
	}
	return all
}
