package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

func (a *app) keysCommand() *cobra.Command {
	return group("keys", "Store, test, list and delete the keys of a chatbot's owner",
		a.keysSet(), a.keysTest(), a.keysList(), a.keysDelete())
}

func (a *app) keysSet() *cobra.Command {
	o := &ownerCall{app: a}
	var label string
	c := o.flags(&cobra.Command{
		Use:   "set",
		Short: "Store or replace a key",
		Long: `set stores an owner's key for one provider, in place of the one before. The key
comes on standard input, or is asked for on a terminal without being shown. For
vertex, bedrock and azure it is a JSON object.

With --slot 2 and up an owner has more keys for a provider. A gateway of dialect
vercel tries them in this order, all before it falls back to the platform's; a
gateway of dialect header and the provider itself (byok.route: direct) are sent
the first one only.`,
		Example: `  sidekey keys set --chatbot demo --provider openai < key.txt
  sidekey keys set --chatbot demo --provider openai --slot 2 < spare-key.txt`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(true); err != nil {
				return err
			}
			ctx, stop := a.interruptible(c.Context())
			defer stop()
			secret, err := o.readKey(ctx)
			if err != nil {
				return err
			}
			return o.with(ctx, true, func(ctx context.Context, owner *credstore.Owner) error {
				info, err := owner.Set(ctx, o.chatbot, o.slug, secret, credstore.SetOptions{Account: o.account, Label: label})
				if err != nil {
					return err
				}
				if err := a.done(keyReport(o.chatbot, info), "stored the %s of chatbot %s (ends in %s)",
					o.key(), o.chatbot, dash(info.Hint)); err != nil {
					return err
				}
				return o.remindBYOK(ctx, owner)
			})
		},
	}, true)
	c.Flags().StringVar(&label, "label", "", "a note to remember the key by")
	return c
}

// readKey reads a key in the form in which it is stored.
func (o *ownerCall) readKey(ctx context.Context) (credstore.Secret, error) {
	typed, err := o.app.readSecret(ctx, fmt.Sprintf("Key for %s", o.slug))
	if err != nil {
		return credstore.Secret{}, err
	}
	stored, err := provider.NormalizeCredential(o.slug, typed.Reveal())
	if err != nil {
		return credstore.Secret{}, err
	}
	defer clear(stored)
	return credstore.NewSecret(stored), nil
}

// remindBYOK tells that a stored key will not be used yet.
func (o *ownerCall) remindBYOK(ctx context.Context, owner *credstore.Owner) error {
	info, err := owner.List(ctx, o.chatbot, o.account)
	if err == nil && !info.BYOK {
		fmt.Fprintf(o.app.stderr, "note: byok is off for chatbot %s, so the key is not used; switch it on: sidekey byok on --chatbot %[1]s\n", o.chatbot)
	}
	return nil
}

func (a *app) keysTest() *cobra.Command {
	o := &ownerCall{app: a}
	var unsaved bool
	c := o.flags(&cobra.Command{
		Use:   "test",
		Short: "Ask the provider, at no cost, whether a key is good",
		Long: `test makes the provider's free check call and prints one word, valid, invalid,
inconclusive or no credit, and then the provider's own words. With --stdin the
key on standard input is tested and nothing is stored. It exits 0 only for valid.`,
		Example: "  sidekey keys test --chatbot demo --provider openai",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if unsaved && c.Flags().Changed("slot") {
				return usage("--slot names a stored key, and --stdin tests one that is not; write one of them")
			}
			if unsaved && o.chatbot == "" {
				o.chatbot = "none" // nothing is looked up
			}
			if err := o.check(true); err != nil {
				return err
			}
			if unsaved {
				return o.testUnsaved(c.Context())
			}
			return o.with(c.Context(), false, o.testStored)
		},
	}, true)
	c.Flags().BoolVar(&unsaved, "stdin", false, "test the key on standard input instead of the stored one")
	a.providersFlag(c)
	return c
}

func (o *ownerCall) testUnsaved(ctx context.Context) error {
	ctx, stop := o.app.interruptible(ctx)
	defer stop()
	secret, err := o.readKey(ctx)
	if err != nil {
		return err
	}
	return o.verdict(o.ask(ctx, secret))
}

func (o *ownerCall) testStored(ctx context.Context, owner *credstore.Owner) error {
	secret, info, err := owner.Key(ctx, o.chatbot, o.slug, o.account)
	if err != nil {
		return err
	}
	result := o.ask(ctx, secret)
	if err := owner.RecordTest(ctx, o.chatbot, o.slug, info.Version, result.Verdict.String(), time.Now()); err != nil {
		fmt.Fprintf(o.app.stderr, "note: the result could not be written down: %v\n", err)
	}
	return o.verdict(result)
}

// ask makes the check call, and says so if it takes its time.
func (o *ownerCall) ask(ctx context.Context, secret credstore.Secret) provider.Result {
	slow := time.AfterFunc(2*time.Second, func() { fmt.Fprintf(o.app.stderr, "waiting for %s ...\n", o.slug) })
	defer slow.Stop()
	checker := &provider.Checker{Client: o.app.client, BaseURL: o.app.providerURL}
	return checker.Check(ctx, o.slug, secret.Reveal())
}

func (o *ownerCall) verdict(r provider.Result) error {
	line := r.Verdict.String()
	if r.Words != "" {
		line += "\t" + plain(r.Words)
	}
	err := o.app.done(map[string]any{
		"provider": o.slug, "verdict": r.Verdict.String(), "status": r.Status, "words": r.Words,
	}, "%s", line)
	if err == nil && r.Verdict != provider.Valid {
		return errSilent
	}
	return err
}

func (a *app) keysDelete() *cobra.Command {
	o := &ownerCall{app: a}
	return o.flags(&cobra.Command{
		Use:   "delete",
		Short: "Remove a key; without another one the platform pays for the provider's requests",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(true); err != nil {
				return err
			}
			return o.with(c.Context(), false, func(ctx context.Context, owner *credstore.Owner) error {
				if err := owner.Delete(ctx, o.chatbot, o.slug, o.account); err != nil {
					return err
				}
				return a.done(map[string]any{"chatbot": o.chatbot, "provider": o.slug, "slot": o.slot, "deleted": true},
					"deleted the %s of chatbot %s", o.key(), o.chatbot)
			})
		},
	}, true)
}

func (a *app) keysList() *cobra.Command {
	o := &ownerCall{app: a}
	return o.flags(&cobra.Command{
		Use:   "list",
		Short: "Show which keys are stored: their last characters, never the key",
		Long: `list shows one chatbot (--chatbot), the chatbots of an account (--account), or all
that the store holds.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.chatbot != "" || o.account != "" {
				if err := checkID("chatbot", o.chatbot, false); err != nil {
					return err
				}
				if err := checkID("account", o.account, false); err != nil {
					return err
				}
			}
			return o.with(c.Context(), false, o.list)
		},
	}, false)
}

func (o *ownerCall) list(ctx context.Context, owner *credstore.Owner) error {
	var all []credstore.ChatbotInfo
	var err error
	if o.chatbot != "" {
		var one credstore.ChatbotInfo
		one, err = owner.List(ctx, o.chatbot, o.account)
		all = append(all, one)
	} else {
		all, err = owner.ListAccount(ctx, o.account)
	}
	if err != nil {
		return err
	}
	if o.app.jsonFlag {
		out := make([]chatbotReport, len(all))
		for i, info := range all {
			out[i] = reportOf(info)
		}
		return o.app.printJSON(out)
	}
	return o.listTable(all)
}

// listTable is the list for people. It shows slots only if any but the first
// is in use: most owners have one key for a provider and need not learn of it.
func (o *ownerCall) listTable(all []credstore.ChatbotInfo) error {
	slots := slices.ContainsFunc(all, func(info credstore.ChatbotInfo) bool {
		return slices.ContainsFunc(info.Keys, func(k credstore.KeyInfo) bool { return k.Slot > 1 })
	})
	column := func(text string) string {
		if slots {
			return text + "\t"
		}
		return ""
	}
	w := tabwriter.NewWriter(o.app.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "CHATBOT\tACCOUNT\tBYOK\tPROVIDER\t%sENDS IN\tCHANGED\tTESTED\tLABEL\n", column("SLOT"))
	for _, info := range all {
		head := fmt.Sprintf("%s\t%s\t%s", info.Chatbot, dash(info.Account), onOff(info.BYOK))
		if info.BYOIURL != "" {
			fmt.Fprintf(w, "%s\t(own endpoint %s)\n", head, plain(info.BYOIURL))
		}
		if len(info.Keys) == 0 && info.BYOIURL == "" {
			fmt.Fprintf(w, "%s\t-\t%s\t\t\t\n", head, column(""))
		}
		for _, k := range info.Keys {
			fmt.Fprintf(w, "%s\t%s\t%s%s\t%s\t%s\t%s\n", head, k.Slug, column(fmt.Sprint(k.Slot)), dash(plain(k.Hint)), day(k.UpdatedAt), tested(k), plain(k.Label))
		}
	}
	return w.Flush()
}

func tested(k credstore.KeyInfo) string {
	if k.TestResult == "" {
		return "never"
	}
	return plain(k.TestResult) + " " + day(k.TestedAt)
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
