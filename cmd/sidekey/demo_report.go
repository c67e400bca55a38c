package main

import (
	"fmt"
	"strings"
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

// snippets are for pasting into another terminal while the demo stays.
func (d *demo) snippets() {
	token, err := d.world.token(shop, shopAccount)
	if err != nil {
		return
	}
	fmt.Fprint(d.out, strings.NewReplacer("URL", d.world.url, "TOKEN", token, "LEDGER", d.world.gatewayURL+"/sandbox/ledger").Replace(`
Everything stays up until you press Ctrl-C. The token below is shop-bot's; the
gateway's ledger says who paid: curl LEDGER

# curl
curl URL/v1/chat/completions -H "Authorization: Bearer TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"model":"openai/gpt-5.4-mini","stream":true,"messages":[{"role":"user","content":"hello"}]}'

// OpenAI SDK
import OpenAI from "openai";
const openai = new OpenAI({ baseURL: "URL/v1", apiKey: "TOKEN" });
console.log((await openai.chat.completions.create({
  model: "openai/gpt-5.4-mini", messages: [{ role: "user", content: "hello" }] })).choices[0].message.content);

// Anthropic SDK
import Anthropic from "@anthropic-ai/sdk";
const anthropic = new Anthropic({ baseURL: "URL", apiKey: "TOKEN" });
console.log((await anthropic.messages.create({
  model: "anthropic/claude-sonnet-4.5", max_tokens: 100, messages: [{ role: "user", content: "hello" }] })).content);

// AI SDK
import { createGateway } from "@ai-sdk/gateway";
import { generateText } from "ai";
const gateway = createGateway({ baseURL: "URL/v4/ai", apiKey: "TOKEN" });
console.log((await generateText({ model: gateway("openai/gpt-5.4-mini"), prompt: "hello" })).text);
`))
}
