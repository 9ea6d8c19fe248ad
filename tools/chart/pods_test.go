package chart

import (
	"slices"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// pods returns the specs of all pods that the documents make.
func pods(t *testing.T, documents []string) []core.PodSpec {
	t.Helper()
	var specs []core.PodSpec
	for _, document := range documents {
		switch object := decode(t, document).(type) {
		case *apps.Deployment:
			specs = append(specs, object.Spec.Template.Spec)
		case *batch.Job:
			specs = append(specs, object.Spec.Template.Spec)
		case *core.Pod:
			specs = append(specs, object.Spec)
		}
	}
	return specs
}

// TestPodsAreRestricted checks every pod against the standard "restricted" of Kubernetes, and that it can write to nothing.
func TestPodsAreRestricted(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		for _, pod := range pods(t, mustRender(t, values)) {
			p := pod.SecurityContext
			if p == nil || !is(p.RunAsNonRoot) || p.RunAsUser == nil || *p.RunAsUser != 65532 || p.SeccompProfile == nil || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
				t.Errorf("the pod's security context is %+v", p)
			}
			if pod.HostNetwork || pod.HostPID || pod.HostIPC || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
				t.Errorf("the pod has more of its host or its cluster than it needs: %+v", pod)
			}
			for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
				c := container.SecurityContext
				if c == nil || c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation || !is(c.ReadOnlyRootFilesystem) ||
					c.Capabilities == nil || !slices.Equal(c.Capabilities.Drop, []core.Capability{"ALL"}) || len(c.Capabilities.Add) > 0 {
					t.Errorf("the security context of %s is %+v", container.Name, c)
				}
				if container.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s has no limit of memory, from which its budget follows", container.Name)
				}
			}
		}
	})
}

func is(b *bool) bool { return b != nil && *b }

// TestPodsEndInTime checks that a pod is killed only after it has drained, with the ten seconds that the unit of systemd has too.
func TestPodsEndInTime(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		documents := mustRender(t, values)
		files := configs(t, documents)
		for _, document := range documents {
			deployment, ok := decode(t, document).(*apps.Deployment)
			if !ok {
				continue
			}
			pod := deployment.Spec.Template.Spec
			needed := drain(t, files[deployment.Name]) + 10*time.Second
			if l := pod.Containers[0].Lifecycle; l != nil {
				needed += time.Duration(l.PreStop.Sleep.Seconds) * time.Second
			}
			if have := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; have != needed {
				t.Errorf("a pod of %s is killed after %v, and needs %v", deployment.Name, have, needed)
			}
		}
	})
}

// drain returns how long a server drains. A relay has no settings: like the unit of systemd, it gets what a server has by default.
func drain(t *testing.T, files map[string]string) time.Duration {
	t.Helper()
	config := struct{ Drain string }{"5s"}
	if err := yaml.Unmarshal([]byte(files["config.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	d, err := time.ParseDuration(config.Drain)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// configs returns the files of each ConfigMap, by its name.
func configs(t *testing.T, documents []string) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, document := range documents {
		if config, ok := decode(t, document).(*core.ConfigMap); ok {
			all[config.Name] = config.Data
		}
	}
	if len(all) == 0 {
		t.Fatal("the chart makes no ConfigMap")
	}
	return all
}
