package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is shorter than what Docker, ECS and Kubernetes give a check
// (30, 5 and 1 seconds, where 1 is to be raised), so that the line that says
// what is wrong is written before the check is killed.
const healthTimeout = 2 * time.Second

func (a *app) healthCommand() *cobra.Command {
	var at string
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running sidecar whether it is ready: exit 0 or 1, for health checks",
		Long: `health asks /readyz at the admin address of the configuration, prints one line
and exits 0 if the sidecar takes requests, 1 if it drains, does not answer, or
is not there. It needs nothing but this program, so that an image without a
shell can check itself.

Problems of the configuration are not its business: a sidecar that runs goes on
with the configuration before. Where the file may be unreadable at times, or the
admin port is chosen by the system, --url names the address instead.`,
		Example: `  sidekey health
  sidekey health --url http://127.0.0.1:8788
  sidekey health --url unix:/run/sidekey/admin.sock`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.health(c.Context(), at) },
	}
	c.Flags().StringVar(&at, "url", "", "admin address, http://HOST:PORT or unix:/path (default: that of the configuration)")
	return c
}

func (a *app) health(ctx context.Context, at string) error {
	named := at != ""
	if !named {
		// What cannot be read of the file leaves the default in its place.
		ld, _ := a.loader().load()
		at = ld.Config.Admin.Listen
		if strings.HasSuffix(at, ":0") {
			return usage("admin.listen is %s, a port that the system chooses: name the address with --url", at)
		}
	}
	target, client, err := adminClient(at)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	line, ready, err := askReady(ctx, client, target)
	if err != nil {
		return fmt.Errorf("%s does not answer (%w): is the sidecar running, with this admin address?", at, err)
	}
	fmt.Fprintln(a.stdout, line)
	if !ready {
		return errSilent
	}
	return nil
}

// adminClient returns the URL of /readyz at an admin address, and who asks it.
// No proxy of the environment comes in between.
func adminClient(at string) (string, *http.Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if path, ok := strings.CutPrefix(at, "unix:"); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return "http://localhost/readyz", client, nil
	}
	if !strings.Contains(at, "://") {
		at = "http://" + reachable(at)
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", nil, usage("--url is not an address: write http://HOST:PORT or unix:/path")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/readyz"
	}
	return u.String(), client, nil
}

// reachable is where this machine finds a listener: one that listens on all
// addresses is asked on loopback.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if err == nil && ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// askReady makes the call, and puts the answer into a line.
func askReady(ctx context.Context, client *http.Client, target string) (line string, ready bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", false, err
	}
	rep, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the rest is the address, which the caller names
		}
		return "", false, err
	}
	defer rep.Body.Close()
	body, err := io.ReadAll(io.LimitReader(rep.Body, 1<<20))
	if err != nil {
		return "", false, err
	}
	var got struct {
		Ready    *bool
		Draining bool
		InFlight int64 `json:"in_flight"`
		Store    string
		Config   struct{ Result string }
	}
	if json.Unmarshal(body, &got) != nil || got.Ready == nil {
		return "", false, fmt.Errorf("status %d, and not a sidecar's answer", rep.StatusCode)
	}
	switch ready = rep.StatusCode == http.StatusOK && *got.Ready; {
	case ready:
		line = "ready"
	case got.Draining:
		line = "not ready: draining"
	default:
		line = "not ready"
	}
	line += fmt.Sprintf(", %d in flight", got.InFlight)
	if got.Store != "" {
		line += ", store " + plain(got.Store)
	}
	if got.Config.Result == rejected {
		line += ", the last change of the configuration was rejected"
	}
	return line, ready, nil
}
