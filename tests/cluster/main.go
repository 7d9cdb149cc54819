// fluxops-testcluster is the Kubernetes control plane that the tests and the demo of
// fluxops run against: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and
// kwok (which plays the nodes and runs the pods), all of one release, on loopback only.
//
//	fluxops-testcluster --dir DIR [--ready-file FILE] [--parent-death]
//
// Everything it writes is under DIR: the data of etcd, DIR/pki, DIR/logs, and, once the
// cluster is usable, DIR/kubeconfig. It then prints one line, "ready DIR/kubeconfig", to
// standard output. SIGTERM stops it and deletes nothing: a second start in the same DIR
// finds the same objects, under new credentials.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// parentPoll is how often --parent-death looks whether the parent is still there.
const parentPoll = 200 * time.Millisecond

func init() {
	// The kernel's parent-death signal follows the thread that started a child. The main
	// goroutine starts all of them, so it stays on the main thread, which lives longest.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) > 1 {
		if command, ok := components[os.Args[1]]; ok {
			// kwok and the Kubernetes commands read os.Args themselves.
			os.Args = os.Args[1:]
			os.Exit(command())
		}
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "fluxops-testcluster: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "folder for everything that the cluster writes (created when absent)")
	readyFile := flag.String("ready-file", "", "file to write the path of the kubeconfig to when the cluster is ready")
	parentDeath := flag.Bool("parent-death", false, "stop when the process that started this one ends")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("--dir is required, and nothing else may follow the flags")
	}
	// Absolute, because the kubeconfig is read from other working directories.
	root, err := filepath.Abs(*dir)
	if err != nil {
		return fmt.Errorf("failed to resolve --dir: %w", err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if *parentDeath {
		ctx = withParent(ctx)
	}

	cluster, err := start(ctx, root)
	defer cluster.stop()
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while starting: not a failure of the cluster
		}
		return err
	}
	if err := announce(cluster.kubeconfig, *readyFile); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-cluster.failed:
		return err
	}
}

// withParent is done when the process that started this one is gone.
//
// Not by PR_SET_PDEATHSIG: that fires when the parent's thread ends, and test runners
// start a cluster from the thread of one test and share it with the next.
func withParent(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		defer cancel()
		for os.Getppid() == parent {
			select {
			case <-ctx.Done():
				return
			case <-time.After(parentPoll):
			}
		}
	}()
	return ctx
}

// announce tells whoever waits that the cluster can be used.
func announce(kubeconfig, readyFile string) error {
	if readyFile != "" {
		if err := writeFile(readyFile, []byte(kubeconfig+"\n"), 0o644); err != nil {
			return fmt.Errorf("failed to write the ready file: %w", err)
		}
	}
	// A closed pipe means that nobody is left who wants the cluster.
	if _, err := fmt.Printf("ready %s\n", kubeconfig); err != nil {
		return fmt.Errorf("failed to report readiness: %w", err)
	}
	return nil
}
