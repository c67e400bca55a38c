package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/proxy"
)

// An ownerCall is what the commands for owners have in common: which chatbot,
// on whose behalf, for which provider and slot.
type ownerCall struct {
	app      *app
	chatbot  string
	account  string
	provider string
	slug     provider.Slug // of provider, once checked
	slot     int           // 0 where the command has no such flag
}

// flags registers the common flags on a command.
func (o *ownerCall) flags(c *cobra.Command, withProvider bool) *cobra.Command {
	c.Flags().StringVar(&o.chatbot, "chatbot", "", "the chatbot's id")
	c.Flags().StringVar(&o.account, "account", "", "the account it belongs to; must be the stored one if one is stored")
	if withProvider {
		c.Flags().StringVar(&o.provider, "provider", "", "the provider, such as openai or x-ai")
		c.Flags().IntVar(&o.slot, "slot", 1, fmt.Sprintf("which of the provider's keys, 1 to %d: they are tried in this order", credstore.MaxSlots))
	}
	return o.app.withJSON(c)
}

// check looks at the flags before anything is read or asked.
func (o *ownerCall) check(withProvider bool) error {
	if err := checkID("chatbot", o.chatbot, true); err != nil {
		return err
	}
	if err := checkID("account", o.account, false); err != nil {
		return err
	}
	if !withProvider {
		return nil
	}
	if o.slot < 1 || o.slot > credstore.MaxSlots {
		return usage("--slot %d is out of range: a provider has the slots 1 to %d", o.slot, credstore.MaxSlots)
	}
	if o.provider == "" {
		return usage("--provider is needed, such as --provider openai")
	}
	slug, ok := provider.BySpelling(o.provider)
	if !ok {
		return unknownProvider(o.provider)
	}
	o.slug = slug
	return nil
}

// key names the key in messages: "openai key", or "openai key in slot 2".
func (o *ownerCall) key() string {
	if o.slot > 1 {
		return fmt.Sprintf("%s key in slot %d", o.slug, o.slot)
	}
	return string(o.slug) + " key"
}

func checkID(what, id string, needed bool) error {
	switch {
	case id == "" && needed:
		return usage("--%s is needed", what)
	case id == "" || credstore.ValidID(id):
		return nil
	}
	return usage("--%s is not an id: 1 to 128 of the characters A-Z a-z 0-9 . _ : -", what)
}

func unknownProvider(name string) error {
	if looksLikeKey(name) {
		return errKeyArgument
	}
	var slugs []string
	for _, p := range provider.All() {
		slugs = append(slugs, string(p.Slug))
	}
	if near := nearest(name, slugs); near != "" {
		return usage("--provider %s is not known; did you mean %s?", quote(name), near)
	}
	return usage("--provider %s is not known; sidekey detect --providers lists them", quote(name))
}

// with opens the store that the configuration names, runs fn, and closes it.
// Only commands that store something make a store where none is.
func (o *ownerCall) with(ctx context.Context, create bool, fn func(context.Context, *credstore.Owner) error) error {
	ld, err := o.app.storeConfig()
	if err != nil {
		return err
	}
	ctx, stop := o.app.interruptible(ctx)
	defer stop()
	store, err := ld.open(ctx, ld.Config.Store.Kind, create, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	owner := credstore.NewOwner(store.Backend).As(o.actor())
	if o.slot != 0 {
		owner = owner.Slot(o.slot)
	}
	return o.explain(fn(ctx, owner))
}

// actor is who leaves his name in the chatbot's trail, which the console shows.
func (o *ownerCall) actor() credstore.Actor {
	name := "command line"
	if user, _ := o.app.lookup("USER"); user != "" && !looksLikeKey(user) {
		name += " (" + plain(user) + ")"
	}
	return credstore.Actor{Name: name, Role: "operator", Command: true, Lost: func(_ string, _ credstore.Change, err error) {
		fmt.Fprintf(o.app.stderr, "sidekey: note: the change was made, but could not be written to the chatbot's trail: %v\n", err)
	}}
}

// explain says what to do about the store's refusals.
func (o *ownerCall) explain(err error) error {
	switch {
	case errors.Is(err, credstore.ErrNotFound) && o.slug != "":
		return fmt.Errorf("no %s is stored for chatbot %s; sidekey keys list --chatbot %[2]s shows what is", o.key(), o.chatbot)
	case errors.Is(err, credstore.ErrNotFound):
		return fmt.Errorf("nothing is stored for chatbot %s; store a key first: sidekey keys set", o.chatbot)
	case errors.Is(err, credstore.ErrConflict):
		return fmt.Errorf("%w; look at it and try again", err)
	}
	return err
}

func (a *app) byokCommand() *cobra.Command {
	o := &ownerCall{app: a}
	return o.flags(&cobra.Command{
		Use:   "byok on|off",
		Short: "Switch the use of a chatbot's own keys on or off",
		Long: `byok off keeps the stored keys but stops using them: all of the chatbot's requests
are paid by the platform until byok on.`,
		Example: "  sidekey byok off --chatbot demo",
		Args:    choice("on", "off"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(false); err != nil {
				return err
			}
			on := args[0] == "on"
			return o.with(c.Context(), true, func(ctx context.Context, owner *credstore.Owner) error {
				if err := owner.SetBYOK(ctx, o.chatbot, on, o.account); err != nil {
					return err
				}
				return a.done(map[string]any{"chatbot": o.chatbot, "byok": on}, "byok is %s for chatbot %s", args[0], o.chatbot)
			})
		},
	}, false)
}

func (a *app) byoiCommand() *cobra.Command {
	return group("byoi", "Store or clear a chatbot's own inference endpoint", a.byoiSet(), a.byoiClear())
}

func (a *app) byoiSet() *cobra.Command {
	o := &ownerCall{app: a}
	var url, header string
	c := o.flags(&cobra.Command{
		Use:   "set",
		Short: "Send all of a chatbot's requests to the owner's own endpoint",
		Long: `set stores the endpoint and its key. The key comes on standard input, or is asked
for on a terminal without being shown.`,
		Example: "  sidekey byoi set --chatbot demo --url https://llm.example.com/v1 < key.txt",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(false); err != nil {
				return err
			}
			if url == "" {
				return usage("--url is needed, such as --url https://llm.example.com/v1")
			}
			ctx, stop := a.interruptible(c.Context())
			defer stop()
			secret, err := a.readSecret(ctx, "Key of the endpoint")
			if err != nil {
				return err
			}
			return o.with(ctx, true, func(ctx context.Context, owner *credstore.Owner) error {
				if err := owner.SetBYOI(ctx, o.chatbot, url, header, secret, o.account); err != nil {
					return err
				}
				a.noteAllow(url)
				return a.done(map[string]any{"chatbot": o.chatbot, "byoi": true}, "stored the endpoint of chatbot %s", o.chatbot)
			})
		},
	}, false)
	c.Flags().StringVar(&url, "url", "", "the endpoint's base URL")
	c.Flags().StringVar(&header, "auth-header", "", "the header that carries the key (default Authorization: Bearer)")
	return c
}

// noteAllow says so if the configuration at hand sends nothing to an endpoint.
// It is no refusal: the sidecar may have another one, or get it later.
func (a *app) noteAllow(url string) {
	ld, err := a.config()
	if err != nil {
		return // the command has told
	}
	allow := proxy.BYOIConfig{Allow: ld.Config.BYOI.Allow}
	if err := allow.Check(url); err != nil {
		fmt.Fprintf(a.stderr, "sidekey: note: a sidecar with this configuration sends nothing there: %v\n", err)
	}
}

func (a *app) byoiClear() *cobra.Command {
	o := &ownerCall{app: a}
	return o.flags(&cobra.Command{
		Use:   "clear",
		Short: "Forget the endpoint; the gateway is used again",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(false); err != nil {
				return err
			}
			return o.with(c.Context(), false, func(ctx context.Context, owner *credstore.Owner) error {
				if err := owner.ClearBYOI(ctx, o.chatbot, o.account); err != nil {
					return err
				}
				return a.done(map[string]any{"chatbot": o.chatbot, "byoi": false}, "cleared the endpoint of chatbot %s", o.chatbot)
			})
		},
	}, false)
}

// done reports success: a sentence for people or an object for programs.
func (a *app) done(object any, sentence string, args ...any) error {
	if a.jsonFlag {
		return a.printJSON(object)
	}
	_, err := fmt.Fprintf(a.stdout, sentence+"\n", args...)
	return err
}

// plain drops control bytes from an owner's own words, which could otherwise
// command the operator's terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || slices.Contains([]rune{0x2028, 0x2029, 0x202a, 0x202b, 0x202d, 0x202e}, r) {
			return -1
		}
		return r
	}, s)
}
