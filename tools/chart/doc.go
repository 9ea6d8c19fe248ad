// Package chart tests the Helm chart in deploy/chart: with Helm's own linter and templates, against the types of Kubernetes and
// of the Prometheus operator, and against the settings that pgherald knows. It is a module of its own, which keeps their modules
// out of ours. tools/test-chart runs it; with -update it writes the expected files anew.
package chart
