package main

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/provider"
)

// providersFlag lets somebody who tries sidekey out have keys tested by the
// sandbox. Whoever answers there is shown the keys, so it must be this machine.
func (a *app) providersFlag(c *cobra.Command) {
	var address string
	c.Flags().StringVar(&address, "providers", "", "to try things out: test keys at this sandbox gateway on this machine, not at the providers")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if address != "" {
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "http" || !loopback(u.Host) || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
				return usage("--providers is the address of a sidekey sandbox gateway on this machine, such as http://127.0.0.1:8790")
			}
			a.providerURL = func(slug provider.Slug, _ string) string {
				return "http://" + u.Host + "/sandbox/providers/" + string(slug)
			}
		}
		return run(c, args)
	}
}
