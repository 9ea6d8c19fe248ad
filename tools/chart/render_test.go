package chart

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// chartFolder is the chart under test.
const chartFolder = "../../deploy/chart"

// forEach runs test with the values of each folder in testdata.
func forEach(t *testing.T, test func(t *testing.T, folder string, values map[string]any)) {
	files, err := filepath.Glob("testdata/*/values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			test(t, filepath.Dir(file), parse(t, string(text)))
		})
	}
}

// parse reads values as Helm does.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	values, err := loader.LoadValues(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// render returns the files of an install, as helm template makes them. It is an error if the schema or a template refuses the
// values.
func render(values map[string]any) (map[string]string, error) {
	chart, err := loader.Load(chartFolder)
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: "release", Namespace: "namespace", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// mustRender is render for values that must do. It returns the documents, in the order of their files.
func mustRender(t *testing.T, values map[string]any) []string {
	t.Helper()
	files, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for document := range strings.SplitSeq(files[name], "\n---\n") {
			if document = strings.TrimSpace(document); document != "" {
				documents = append(documents, fmt.Sprintf("# Source: %s\n%s\n", name, document))
			}
		}
	}
	return documents
}

// TestLint runs what helm lint runs. Its advice to have an icon is of the lowest severity.
func TestLint(t *testing.T) {
	forEach(t, func(t *testing.T, _ string, values map[string]any) {
		for _, message := range lint.RunAll(chartFolder, values, "namespace").Messages {
			if message.Severity > support.InfoSev {
				t.Error(message)
			}
		}
	})
}

// TestRefused checks the errors for values that contradict each other or that the chart sets itself.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct{ change, want string }{
		"no image":              {"image: {repository: ''}", "image.repository is not set"},
		"no database":           {"secrets: {databaseURL: {name: ''}}", "secrets.databaseURL.name is not set"},
		"no authentication":     {"config: {auth: none}", "config.auth is not set"},
		"nothing to watch":      {"config: {tables: []}", "set one of config.tables, spec and example"},
		"two ways to watch":     {"example: true", "set one of config.tables, spec and example"},
		"a secret in settings":  {"config: {database-url: 'postgres://x'}", "database-url"},
		"the chart's own":       {"config: {drain: 30s}", "drain"},
		"an unknown value":      {"replica: 3", "replica"},
		"a wrong type":          {"replicas: many", "replicas"},
		"a monitor of nothing":  {"metrics: {serviceMonitor: {enabled: true}}", "needs metrics.enabled"},
		"scaled by nothing":     {"autoscaling: {enabled: true}", "needs metrics.enabled"},
		"fewer than the fewest": {"{metrics: {enabled: true}, autoscaling: {enabled: true, maxReplicas: 1}}", "minReplicas is more"},

		"a relay to nowhere":        {"relay: {enabled: true}", "relay.enabled needs secrets.streamURL.name"},
		"edges of nothing":          {"edges: {enabled: true}", "edges.enabled needs secrets.streamURL.name or edges.streamURL.name"},
		"edges scaled by nothing":   {"{secrets: {streamURL: {name: s}}, edges: {enabled: true, autoscaling: {enabled: true}}}", "edges.autoscaling needs metrics.enabled"},
		"edges without identities":  {"{secrets: {streamURL: {name: s}}, edges: {enabled: true, config: {auth: none}}}", "edges.config.auth is not set"},
		"a store in settings":       {"config: {source: 'redis://x'}", "source"},
		"a store in edges' ones":    {"edges: {config: {source: 'redis://x'}}", "source"},
		"tables of edges":           {"edges: {config: {tables: [public.orders]}}", "tables"},
		"an unknown value of edges": {"edges: {example: true}", "example"},
		"a relay's unknown setting": {"relay: {config: {addr: ':1'}}", "addr"},
		"a route from nowhere":      {"httpRoute: {enabled: true}", "httpRoute.parentRefs is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/minimal/values.yaml")
			if err != nil {
				t.Fatal(err)
			}
			values := loader.MergeMaps(parse(t, string(text)), parse(t, test.change))
			if _, err := render(values); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestHelmTestReachesTheServers checks that no setting keeps the pod of helm test away from the servers.
func TestHelmTestReachesTheServers(t *testing.T) {
	text, err := os.ReadFile("testdata/minimal/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const clients = "networkPolicy: { enabled: true, clients: [{ namespaceSelector: { matchLabels: { name: ingress } } }] }\n"
	for hosts, want := range map[string]string{
		"[events.example.com]": "[events.example.com release-pgherald release-pgherald.namespace.svc]",
		"events.example.com":   "[events.example.com release-pgherald release-pgherald.namespace.svc]",
		"['*']":                "[*]",
		"[]":                   "[]",
	} {
		documents := mustRender(t, loader.MergeMaps(parse(t, string(text)), parse(t, clients+"config: { allowed-hosts: "+hosts+" }")))
		for _, files := range configs(t, documents) {
			if got := fmt.Sprint(value(t, files["config.yaml"], "allowed-hosts")); got != want {
				t.Errorf("%s: the hosts are %s, want %s", hosts, got, want)
			}
		}
		if peers, labels := labelsOfPeers(t, documents), labelsOfTest(t, documents); !slices.ContainsFunc(peers, func(peer map[string]string) bool { return maps.Equal(peer, labels) }) {
			t.Errorf("the pods %v may connect, and the test has %v", peers, labels)
		}
	}
}

// labelsOfPeers returns the labels of the pods that a NetworkPolicy lets reach the first port.
func labelsOfPeers(t *testing.T, documents []string) (all []map[string]string) {
	for _, document := range documents {
		if policy, ok := decode(t, document).(*networking.NetworkPolicy); ok {
			for _, peer := range policy.Spec.Ingress[0].From {
				if peer.PodSelector != nil {
					all = append(all, peer.PodSelector.MatchLabels)
				}
			}
		}
	}
	return all
}

// labelsOfTest returns the labels of the pod of helm test.
func labelsOfTest(t *testing.T, documents []string) map[string]string {
	for _, document := range documents {
		if pod, ok := decode(t, document).(*core.Pod); ok {
			return pod.Labels
		}
	}
	return nil
}

// TestRules checks that the chart has the alerts that operators without Kubernetes have.
func TestRules(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(chartFolder, "../prometheus-rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const packed = chartFolder + "/files/prometheus-rules.yaml"
	if *update {
		if err := os.WriteFile(packed, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(packed); err != nil || string(have) != string(want) {
		t.Errorf("deploy/chart/files/prometheus-rules.yaml is not deploy/prometheus-rules.yaml (%v): run tools/test-chart -update", err)
	}
}

// value returns a member of a document by its path.
func value(t *testing.T, document string, path ...string) any {
	t.Helper()
	var all any
	if err := yaml.Unmarshal([]byte(document), &all); err != nil {
		t.Fatal(err)
	}
	for _, name := range path {
		object, _ := all.(map[string]any)
		all = object[name]
	}
	return all
}
