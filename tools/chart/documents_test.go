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
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
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
		"gateway.networking.k8s.io/v1 HTTPRoute":  &gateway.HTTPRoute{},
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

// selector holds the labels that a document selects, and its name.
type selector struct {
	name   string
	labels map[string]string
}

// selectors returns what each document selects, and the labels of all pods by the name of what makes them.
func selectors(t *testing.T, documents []string) (all []selector, pods map[string]map[string]string) {
	t.Helper()
	pods = map[string]map[string]string{}
	for _, document := range documents {
		switch object := decode(t, document).(type) {
		case *apps.Deployment:
			pods[object.Name] = object.Spec.Template.Labels
			all = append(all, selector{object.Name, object.Spec.Selector.MatchLabels})
		case *batch.Job:
			pods[object.Name] = object.Spec.Template.Labels
		case *core.Pod:
			pods[object.Name] = object.Labels
		case *core.Service:
			all = append(all, selector{strings.TrimSuffix(object.Name, "-metrics"), object.Spec.Selector})
		case *policy.PodDisruptionBudget:
			all = append(all, selector{object.Name, object.Spec.Selector.MatchLabels})
		case *networking.NetworkPolicy:
			all = append(all, selector{object.Name, object.Spec.PodSelector.MatchLabels})
		}
	}
	return all, pods
}

// TestSelectors checks that Services, budgets, policies and Deployments select the pods of the Deployment with their name, and no
// others.
func TestSelectors(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		all, pods := selectors(t, mustRender(t, values))
		for _, s := range all {
			for name, labels := range pods {
				if got, want := selects(s.labels, labels), s.name == name; got != want {
					t.Errorf("%v of %s selects the pods of %s: %v", s.labels, s.name, name, got)
				}
			}
			if pods[s.name] == nil {
				t.Errorf("%v of %s selects nothing", s.labels, s.name)
			}
		}
	})
}

// TestNames checks that names and labels are not longer than Kubernetes permits.
func TestNames(t *testing.T) {
	const most = 63
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		for _, document := range mustRender(t, values) {
			object, ok := decode(t, document).(meta.Object)
			if !ok {
				t.Fatalf("no metadata: %s", document)
			}
			for _, text := range append(slices.Collect(maps.Values(object.GetLabels())), object.GetName()) {
				if len(text) > most || strings.HasSuffix(text, "-") {
					t.Errorf("%s is too long: %d letters", text, len(text))
				}
			}
		}
	})
}

// selects reports whether labels have all that the selector has.
func selects(selector, labels map[string]string) bool {
	return len(selector) > 0 && !slices.ContainsFunc(slices.Collect(maps.Keys(selector)), func(key string) bool { return labels[key] != selector[key] })
}
