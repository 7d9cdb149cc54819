package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// readyWithin bounds the start: 5 s are usual, a machine busy with a build takes longer.
	readyWithin = 90 * time.Second
	// poll is how often readiness is asked for.
	poll = 50 * time.Millisecond
	// stopGrace is how long the components have to end after SIGTERM.
	stopGrace = 2 * time.Second
	// nodeName is the node that kwok keeps Ready.
	nodeName = "node-1"
)

// cluster is the running control plane.
type cluster struct {
	kubeconfig string
	// failed receives the reason when a component ends that nobody stopped.
	failed chan error

	etcd       *embed.Etcd
	components []*component
	port       *reservedPort
	started    time.Time
}

// start brings the control plane up and returns when it can be used. What it returns is
// never nil and must be stopped, also after an error.
func start(ctx context.Context, dir string) (*cluster, error) {
	c := &cluster{
		kubeconfig: filepath.Join(dir, "kubeconfig"),
		failed:     make(chan error, 1),
		started:    time.Now(),
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("the cluster was not ready within %v", readyWithin))
	defer cancel()

	for _, folder := range []string{"etcd", "logs", "kwok"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return c, fmt.Errorf("failed to create %s: %w", folder, err)
		}
	}
	// Left by an earlier start; whoever waits for the file must not find the old one.
	if err := os.Remove(c.kubeconfig); err != nil && !errors.Is(err, os.ErrNotExist) {
		return c, err
	}
	creds, err := newCredentials(dir)
	if err != nil {
		return c, err
	}
	if c.etcd, err = startEtcd(ctx, dir); err != nil {
		return c, fmt.Errorf("failed to start etcd: %w", err)
	}
	c.progress("etcd is up")

	if c.port, err = reservePort(); err != nil {
		return c, fmt.Errorf("failed to reserve a port: %w", err)
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", c.port.number)
	kubeconfigs := map[string]string{}
	for user := range users {
		kubeconfigs[user] = creds.file(user + ".kubeconfig")
		if err := creds.writeKubeconfig(kubeconfigs[user], server, user); err != nil {
			return c, err
		}
	}
	client, err := newClient(kubeconfigs["admin"])
	if err != nil {
		return c, err
	}

	if err := c.startAPIServer(dir, creds); err != nil {
		return c, err
	}
	if err := c.wait(ctx, "the API server", func() bool { return apiReady(ctx, client) }); err != nil {
		return c, err
	}
	if err := c.startControllers(dir, creds, kubeconfigs); err != nil {
		return c, err
	}
	if err := c.wait(ctx, "the default service account", func() bool { return defaultAccount(ctx, client) }); err != nil {
		return c, err
	}
	if err := c.wait(ctx, "the storage class", func() bool { return storageClass(ctx, client) }); err != nil {
		return c, err
	}
	if err := c.wait(ctx, "the node", func() bool { return nodeReady(ctx, client) }); err != nil {
		return c, err
	}
	if err := creds.writeKubeconfig(c.kubeconfig, server, "admin"); err != nil {
		return c, fmt.Errorf("failed to write the kubeconfig: %w", err)
	}
	return c, nil
}

// startEtcd runs etcd in this process, with its log in a file like those of the others.
func startEtcd(ctx context.Context, dir string) (*embed.Etcd, error) {
	// Port 0: etcd binds a free port. Nobody dials what it advertises, it has no peers.
	free := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = filepath.Join(dir, "etcd")
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{free}, []url.URL{free}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{free}, []url.URL{free}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.EnableGRPCGateway = false // JSON for humans; it would dial the advertised port
	config.UnsafeNoFsync = true      // a lost cluster is started again, a slow one costs every test
	config.LogOutputs = []string{filepath.Join(dir, "logs", "etcd.log")}
	config.LogLevel = "warn"
	config.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration // 0 warns of every request
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return etcd, err
	case <-ctx.Done():
		return etcd, context.Cause(ctx)
	}
}

func (c *cluster) startAPIServer(dir string, creds *credentials) error {
	return c.startComponent(dir, "kube-apiserver",
		"--etcd-servers=http://"+c.etcd.Clients[0].Addr().String(),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.port.number),
		"--permit-port-sharing=true", // the port is held by reservePort
		// Endpoints of the kubernetes service may not be loopback, so it gets none.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--cert-dir="+creds.dir,
		"--tls-cert-file="+creds.file("server.crt"),
		"--tls-private-key-file="+creds.file("server.key"),
		"--token-auth-file="+creds.file("tokens.csv"),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+creds.file("service-account.key"),
		"--service-account-signing-key-file="+creds.file("service-account.key"),
		"--profiling=false",
	)
}

// startControllers starts what makes objects come alive. The request rates are raised
// because the defaults, made for a shared cluster, would be what a test measures.
func (c *cluster) startControllers(dir string, creds *credentials, kubeconfigs map[string]string) error {
	if err := c.startComponent(dir, "kube-controller-manager",
		"--kubeconfig="+kubeconfigs["system:kube-controller-manager"],
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+creds.file("service-account.key"),
		"--root-ca-file="+creds.file("ca.crt"),
		"--leader-elect=false",
		"--secure-port=0",
		// A starved machine must not look like a lost node.
		"--node-monitor-grace-period=10m",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	); err != nil {
		return err
	}
	if err := c.startComponent(dir, "kube-scheduler",
		"--kubeconfig="+kubeconfigs["system:kube-scheduler"],
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	); err != nil {
		return err
	}
	stages, err := writeStages(dir)
	if err != nil {
		return err
	}
	return c.startComponent(dir, "kwok",
		"--kubeconfig="+kubeconfigs["kwok"],
		"--config="+stages,
		"--manage-all-nodes=true",
		"--node-lease-duration-seconds=40",
		"--cidr=10.244.0.1/16",
		"--node-ip=192.0.2.1", // RFC 5737: an address that nobody has
		"--node-port=0",       // no kubelet API: it would listen on all interfaces
	)
}

func (c *cluster) startComponent(dir, name string, args ...string) error {
	started, err := startComponent(dir, name, args...)
	if err != nil {
		return err
	}
	c.components = append(c.components, started)
	go func() {
		<-started.exited
		select {
		case c.failed <- started.failure():
		default: // one reason is enough
		}
	}()
	return nil
}

// wait asks until the answer is yes, a component ends, or the time is up.
func (c *cluster) wait(ctx context.Context, what string, ready func() bool) error {
	for !ready() {
		select {
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("failed to wait for %s: %w", what, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
	c.progress(what + " is up")
	return nil
}

func (c *cluster) progress(what string) {
	fmt.Fprintf(os.Stderr, "%5.1f s  %s\n", time.Since(c.started).Seconds(), what)
}

// stop ends everything and deletes nothing.
func (c *cluster) stop() {
	stopAll(c.components, stopGrace)
	if c.etcd != nil {
		c.etcd.Close()
	}
	if c.port != nil {
		c.port.release()
	}
}

func newClient(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// No request rate of its own, and no answer may hold up the next question for long.
	config.QPS = -1
	config.Timeout = 5 * time.Second
	return kubernetes.NewForConfig(config)
}

func apiReady(ctx context.Context, client *kubernetes.Clientset) bool {
	_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err == nil
}

// defaultAccount says whether a pod can be made in the default namespace: the namespace is
// made by the API server, its service account by the controller manager.
func defaultAccount(ctx context.Context, client *kubernetes.Clientset) bool {
	_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	return err == nil
}

// storageClass makes the default storage class, whose claims kwok provides volumes for.
func storageClass(ctx context.Context, client *kubernetes.Clientset) bool {
	_, err := client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "standard",
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: "kwok.x-k8s.io/volume",
	}, metav1.CreateOptions{})
	return err == nil || apierrors.IsAlreadyExists(err)
}

// nodeReady makes the node when there is none and says whether pods can be bound to it:
// kwok must have reported it Ready and the controller manager taken its taint away.
func nodeReady(ctx context.Context, client *kubernetes.Clientset) bool {
	node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, _ = client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name:   nodeName,
			Labels: map[string]string{corev1.LabelHostname: nodeName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"},
		}}, metav1.CreateOptions{})
		return false
	}
	if err != nil || len(node.Spec.Taints) > 0 {
		return false
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// reservedPort is a loopback port that is bound but not listened on. A process that binds
// it with SO_REUSEPORT, as the API server does, can; nobody else gets it in between.
type reservedPort struct {
	socket int
	number int
}

func reservePort() (*reservedPort, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	port := &reservedPort{socket: socket}
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		port.release()
		return nil, err
	}
	loopback := &unix.SockaddrInet4{Addr: [4]byte(net.IPv4(127, 0, 0, 1).To4())}
	if err := unix.Bind(socket, loopback); err != nil {
		port.release()
		return nil, err
	}
	bound, err := unix.Getsockname(socket)
	if err != nil {
		port.release()
		return nil, err
	}
	port.number = bound.(*unix.SockaddrInet4).Port
	return port, nil
}

func (p *reservedPort) release() { _ = unix.Close(p.socket) }
