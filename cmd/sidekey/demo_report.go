package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// table says for each call who asked, for what, who paid and what it cost in
// time.
func (d *demo) table() {
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHO ASKED\tMODEL\tSTATUS\tWHO PAID\tADDED BY SIDEKEY")
	for _, r := range d.rows {
		fmt.Fprintf(w, "%s of %s\t%s\t%d\t%s\t%s\n", r.chatbot, r.account, r.model, r.status, r.payer(), r.added.Round(time.Microsecond))
	}
	w.Flush()
}

// payer puts the ledger's word into a reader's.
func (r *demoRow) payer() string {
	switch {
	case r.paid.Credential == sandbox.System && r.errorCode != "":
		return "the platform, once: noticed by sidekey, " + r.errorCode
	case r.errorCode != "":
		return "nobody: refused by sidekey, " + r.errorCode
	case r.paid.Credential == "byok":
		return "the owner, with key " + r.paid.KeyID
	case r.paid.Credential == "system":
		return "the platform"
	}
	return "nobody: the provider refused the key"
}
