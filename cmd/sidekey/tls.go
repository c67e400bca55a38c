package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
)

// certificates reads the files of listen_tls into ld.TLS.
func (r *resolver) certificates(ld *loaded) []Problem {
	t := ld.Config.ListenTLS
	if t.CertFile == "" || t.KeyFile == "" {
		return nil
	}
	var problems []Problem
	read := func(path, name string, secret bool) []byte {
		data, warning, err := r.plain(path, name, maxRefBytes)
		if err != nil {
			problems = append(problems, problemOf(path, err))
		}
		if warning != "" && secret {
			ld.Warnings = append(ld.Warnings, ld.place(problemOf(path, errors.New(warning))))
		}
		return data
	}
	cert := read("listen_tls.cert_file", t.CertFile, false)
	key := read("listen_tls.key_file", t.KeyFile, true)
	defer clear(key)
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.ClientCAFile != "" {
		out.ClientAuth, out.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !out.ClientCAs.AppendCertsFromPEM(read("listen_tls.client_ca_file", t.ClientCAFile, false)) {
			problems = append(problems, Problem{Path: "listen_tls.client_ca_file", Wrong: "the file holds no certificate", Fix: "name a PEM file of certificates"})
		}
	}
	if len(problems) > 0 {
		return problems
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		// The text of the cause may quote the file's first bytes.
		return []Problem{{Path: "listen_tls", Wrong: "certificate and key cannot be used together", Fix: "name PEM files that belong to each other"}}
	}
	out.Certificates = []tls.Certificate{pair}
	ld.TLS = out
	return nil
}

// maxBundleBytes bounds gateway.ca_file. The bundle of a whole distribution,
// with a company's own authority added to it, has some 250 KiB.
const maxBundleBytes = 4 << 20

// authorities reads gateway.ca_file into ld.RootCAs. What is in it is the
// proxy's to judge.
func (r *resolver) authorities(ld *loaded) []Problem {
	name := ld.Config.Gateway.CAFile
	if name == "" {
		return nil
	}
	data, _, err := r.plain("gateway.ca_file", name, maxBundleBytes)
	switch {
	case err != nil:
		return []Problem{problemOf("gateway.ca_file", err)}
	case len(data) == 0:
		return []Problem{{Path: "gateway.ca_file", Wrong: "the file is empty", Fix: "name a PEM file of certificates"}}
	}
	ld.RootCAs = data
	return nil
}

// plain reads a file that is named by its path. It is watched, and counts as
// part of the configuration.
func (r *resolver) plain(path, name string, limit int64) (data []byte, warning string, err error) {
	abs, _ := filepath.Abs(name)
	r.files = append(r.files, abs)
	data, warning, err = readRegular(name, limit)
	fmt.Fprintf(r.sum, "%s %x %v\n", path, sha256.Sum256(data), err)
	return data, warning, err
}
