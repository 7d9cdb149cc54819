package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
)

// volumes is ours: kwok's own stages for volumes also delete and rebind them.
//
//go:embed volumes.yaml
var volumes string

// writeStages writes what kwok plays: nodes become Ready and stay so (by their lease, as
// a kubelet's do), pods run at once, those of a Job complete, and deleted ones go away.
// The texts, but for volumes, are those that the module of kwok embeds, so they are of its version.
func writeStages(dir string) (string, error) {
	path := filepath.Join(dir, "kwok", "stages.yaml")
	stages := strings.Join([]string{
		nodefast.DefaultNodeInit,
		nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady,
		podfast.DefaultPodComplete,
		podfast.DefaultPodDelete,
		volumes,
	}, "\n---\n")
	return path, os.WriteFile(path, []byte(stages), 0o644)
}
