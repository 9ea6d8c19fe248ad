package chart

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the expected files anew")

// types returns an object for each kind that the chart makes.
func types() map[string]any {
	return map[string]any{
		"v1 ConfigMap": &core.ConfigMap{}, "v1 Service": &core.Service{}, "v1 ServiceAccount": &core.ServiceAccount{}, "v1 Pod": &core.Pod{},
		"apps/v1 Deployment": &apps.Deployment{}, "batch/v1 Job": &batch.Job{},
		"policy/v1 PodDisruptionBudget":           &policy.PodDisruptionBudget{},
		"autoscaling/v2 HorizontalPodAutoscaler":  &autoscaling.HorizontalPodAutoscaler{},
		"networking.k8s.io/v1 NetworkPolicy":      &networking.NetworkPolicy{},
		"monitoring.coreos.com/v1 ServiceMonitor": &monitoring.ServiceMonitor{},
		"monitoring.coreos.com/v1 PrometheusRule": &monitoring.PrometheusRule{},
	}
}

// decode reads a document into the type of its kind. An unknown or a repeated member, or a value of another type, is an error.
func decode(t *testing.T, document string) any {
	t.Helper()
	kind, _ := value(t, document, "kind").(string)
	version, _ := value(t, document, "apiVersion").(string)
	object := types()[version+" "+kind]
	if object == nil {
		t.Fatalf("no type for %s %s", version, kind)
	}
	if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return object
}

// TestDocuments compares what the chart makes with the expected files, and reads it as Kubernetes does.
func TestDocuments(t *testing.T) {
	made := map[reflect.Type]bool{}
	forEach(t, func(t *testing.T, folder string, values map[string]any) {
		documents := mustRender(t, values)
		for _, document := range documents {
			made[reflect.TypeOf(decode(t, document))] = true
		}
		have := strings.Join(documents, "---\n")
		file := filepath.Join(folder, "expected.yaml")
		if *update {
			if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != have {
			t.Errorf("%s differs (%v): run tools/test-chart -update, and read the difference", file, err)
		}
	})
	for kind, object := range types() {
		if !made[reflect.TypeOf(object)] {
			t.Errorf("no values make a %s", kind)
		}
	}
}

// TestSelectors checks that Services, budgets, policies and the Deployment select the servers and no other pods.
func TestSelectors(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		var servers map[string]string
		var others, selectors []map[string]string
		for _, document := range mustRender(t, values) {
			switch object := decode(t, document).(type) {
			case *apps.Deployment:
				servers = object.Spec.Template.Labels
				selectors = append(selectors, object.Spec.Selector.MatchLabels)
			case *batch.Job:
				others = append(others, object.Spec.Template.Labels)
			case *core.Pod:
				others = append(others, object.Labels)
			case *core.Service:
				selectors = append(selectors, object.Spec.Selector)
			case *policy.PodDisruptionBudget:
				selectors = append(selectors, object.Spec.Selector.MatchLabels)
			case *networking.NetworkPolicy:
				selectors = append(selectors, object.Spec.PodSelector.MatchLabels)
			}
		}
		for _, selector := range selectors {
			if !selects(selector, servers) {
				t.Errorf("%v does not select %v", selector, servers)
			}
			if slices.ContainsFunc(others, func(labels map[string]string) bool { return selects(selector, labels) }) {
				t.Errorf("%v selects another pod than the servers: %v", selector, others)
			}
		}
	})
}

// selects reports whether labels have all that the selector has.
func selects(selector, labels map[string]string) bool {
	return len(selector) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(selector)), func(key string) bool { return labels[key] != selector[key] })
}
