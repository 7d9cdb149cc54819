package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// validity of the certificates: far longer than a cluster of a test lives.
const validity = 30 * 24 * time.Hour

// users are who may talk to the API server, with their groups. The controller manager and
// the scheduler have the names that the bootstrap RBAC policy grants their rights to.
var users = map[string]string{
	"admin":                          "system:masters",
	"kwok":                           "system:masters",
	"system:kube-controller-manager": "",
	"system:kube-scheduler":          "",
}

// credentials are made anew at each start; files are under DIR/pki.
type credentials struct {
	dir    string
	caPEM  []byte
	tokens map[string]string // by user
}

// newCredentials writes ca.crt, server.crt, server.key, service-account.key and tokens.csv.
func newCredentials(dir string) (*credentials, error) {
	pki := filepath.Join(dir, "pki")
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return nil, err
	}
	c := &credentials{dir: pki, tokens: map[string]string{}}
	if err := c.writeCertificates(); err != nil {
		return nil, fmt.Errorf("failed to make certificates: %w", err)
	}
	serviceAccounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := c.writeKey("service-account.key", serviceAccounts); err != nil {
		return nil, err
	}
	return c, c.writeTokens()
}

// file is the path of a file of the credentials.
func (c *credentials) file(name string) string { return filepath.Join(c.dir, name) }

func (c *credentials) writeCertificates() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "fluxops-testcluster-ca"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(validity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	c.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	if err := os.WriteFile(c.file("ca.crt"), c.caPEM, 0o644); err != nil {
		return err
	}

	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + 1),
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, ca, serverKey.Public(), caKey)
	if err != nil {
		return err
	}
	serverPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serverDER})
	if err := os.WriteFile(c.file("server.crt"), serverPEM, 0o644); err != nil {
		return err
	}
	return c.writeKey("server.key", serverKey)
}

func (c *credentials) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(c.file(name), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// writeTokens writes the file of --token-auth-file: token,user,uid,"group,…".
func (c *credentials) writeTokens() error {
	var csv strings.Builder
	for user, groups := range users {
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		c.tokens[user] = hex.EncodeToString(random)
		fmt.Fprintf(&csv, "%s,%s,%s,%q\n", c.tokens[user], user, user, groups)
	}
	return os.WriteFile(c.file("tokens.csv"), []byte(csv.String()), 0o600)
}

// writeKubeconfig writes a kubeconfig for a user: the server, its CA and a bearer token,
// all inline, so that the file can be copied or pointed at a proxy by changing one line.
func (c *credentials) writeKubeconfig(path, server, user string) error {
	const name = "fluxops-testcluster"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: c.caPEM}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: c.tokens[user]}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("failed to encode %s: %w", path, err)
	}
	return writeFile(path, data, 0o600)
}

// writeFile replaces a file in one step: a reader that waits for it never sees half.
func writeFile(path string, data []byte, mode os.FileMode) error {
	partial := path + ".partial"
	if err := os.WriteFile(partial, data, mode); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
