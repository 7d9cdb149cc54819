package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// components are the commands that this binary also is: started again under one of these
// names it runs that command and returns its exit code. Each is a process of its own,
// because feature gates, metrics and the logger are globals of a Kubernetes process.
var components = map[string]func() int{
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
	"kwok":                    runKwok,
}

// runKwok does what the main function of kwok does: its stages come from --config, which
// is read before the command is made.
func runKwok() int {
	// The Kubernetes packages of this binary put a flag --version there that kwok's clashes with.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)

	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := kwoklog.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err == nil {
		command := kwok.NewCommand(ctx)
		command.PersistentFlags().AddFlagSet(flags)
		err = command.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "kwok: %v\n", err)
		return 1
	}
	return 0
}

// component is a running child of this process.
type component struct {
	name   string
	log    string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // why it exited; read after exited is closed
}

// startComponent starts one of components with its output in dir/logs/NAME.log. It is
// called on the main thread only (see init in main.go).
func startComponent(dir, name string, args ...string) (*component, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("failed to find this binary: %w", err)
	}
	path := filepath.Join(dir, "logs", name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to open the log of %s: %w", name, err)
	}
	defer log.Close()

	cmd := exec.Command(self, append([]string{name}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = dir
	// kwok would otherwise read the configuration in the user's home folder.
	cmd.Env = append(os.Environ(), "KWOK_WORKDIR="+filepath.Join(dir, "kwok"))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL, // no orphans, even after kill -9 of this process
		Setpgid:   true,            // Ctrl-C reaches this process, which stops its children in order
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("failed to start %s: %w", name, err)
	}
	c := &component{name: name, log: path, cmd: cmd, exited: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// failure says why the component ended, with the end of its log.
func (c *component) failure() error {
	const tail = 2000
	text, _ := os.ReadFile(c.log)
	if len(text) > tail {
		text = text[len(text)-tail:]
	}
	return fmt.Errorf("%s ended (%v); the end of %s:\n%s", c.name, c.err, c.log, bytes.TrimSpace(text))
}

// stopAll asks all components to end and kills those that have not after the grace.
// Nothing is lost: all state is in etcd, which is closed after them.
func stopAll(all []*component, grace time.Duration) {
	for _, c := range all {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	deadline := time.After(grace)
	for _, c := range all {
		select {
		case <-c.exited:
		case <-deadline:
			for _, c := range all {
				_ = c.cmd.Process.Kill()
			}
			<-c.exited
		}
	}
}
