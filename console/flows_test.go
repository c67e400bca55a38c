package console_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The flows are those of the two people who use the page daily: an owner, who
// sees one account, and an operator. Each runs in a tab of its own, with the
// API, the store and the check of keys behind it as in production; only the
// providers are stood in for, on this machine.
func TestPageFlows(t *testing.T) {
	b := startBrowser(t)
	for name, flow := range map[string]func(*testing.T, *browser){
		"the operator arrives by the link that is good once":       flowLink,
		"a newcomer signs in and creates a chatbot":                flowFirst,
		"a key is entered, tested, saved, replaced and deleted":    flowKey,
		"a key is set with nothing but a keyboard":                 flowKeyboard,
		"the clouds' keys have fields of their own":                flowClouds,
		"a second key is kept for when the first fails":            flowSlots,
		"a change counts down, or is in use now":                   flowInUse,
		"an own endpoint overrides":                                flowBYOI,
		"a chatbot is renamed and deleted":                         flowGeneral,
		"two accounts do not see each other":                       flowAccounts,
		"an operator searches, filters and pages":                  flowOperator,
		"two people edit one key":                                  flowConflict,
		"two people edit one chatbot":                              flowConflicts,
		"a console that cannot open keys, and limits":              flowRoles,
		"a session ends in the midst of something":                 flowExpired,
		"names and labels that would like to be scripts stay text": flowXSS,
		"the console goes away and comes back":                     flowOffline,
		"every view fits a phone":                                  flowPhone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flow(t, b)
		})
	}
}

// Parts of the page that flows speak of.
func row(slug string) string { return fmt.Sprintf("[data-provider=%s]", slug) }
func act(slug, action string) string {
	return fmt.Sprintf("[data-provider=%s] [data-act=%s]", slug, action)
}
func inputOf(slug, name string) string {
	return fmt.Sprintf("[data-provider=%s] input[name=%s]", slug, name)
}

const (
	byokSwitch = "[data-panel=byok] [role=switch]"
	inUse      = "[data-part=in-use]"
)

// saveKey enters a key for a provider that takes one, and saves it.
func (x *tab) saveKey(t *testing.T, slug, key, label string) {
	t.Helper()
	x.press(t, act(slug, "edit"))
	x.fill(t, inputOf(slug, "key"), key)
	if label != "" {
		x.fill(t, inputOf(slug, "label"), label)
	}
	x.press(t, act(slug, "save"))
	x.sees(t, row(slug), "····"+key[len(key)-4:])
	x.until(t, fmt.Sprintf("!document.querySelector(%q)", row(slug)+" form"))
}

func flowLink(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	link := strings.TrimPrefix(w.c.SignInLink(w.url), w.url)
	x := b.open(t, w.url, link)
	x.sees(t, ".top", "operator")
	x.sees(t, ".rows", "Shop")
	if at := eval[string](t, x, `location.href`); at != w.url+"/" {
		t.Errorf("the code stays in the address: %s", at)
	}
	x.quiet(t)
	x = b.open(t, w.url, link)
	x.sees(t, "body", "used before")
	x.visit(t, "/")
	x.sees(t, "h1", "Sign in")
}

func flowFirst(t *testing.T, b *browser) {
	w := newWorld(t)
	x := b.open(t, w.url, "/")
	x.sees(t, "h1", "Sign in")
	x.until(t, `document.activeElement.name === 'token' && document.activeElement.type === 'password'`)
	x.press(t, "button[type=submit]")
	x.sees(t, ".error", "Paste your token")
	x.fill(t, "input[name=token]", "not.a.token")
	x.keys(t, kb.Enter)
	x.sees(t, ".error", "not accepted")

	x.fill(t, "input[name=token]", w.token("acme", "owner", time.Hour))
	x.keys(t, kb.Enter)
	x.sees(t, "[data-part=empty]", "No chatbots yet")
	x.sees(t, ".top", "acme")
	x.sees(t, ".top", "owner")

	x.press(t, "[data-part=empty] a")
	x.sees(t, "h1", "New chatbot")
	x.press(t, "form button[type=submit]")
	x.until(t, `document.querySelector('input[name=name][aria-invalid=true]') === document.activeElement`)
	x.fill(t, "input[name=name]", "Support")
	x.fill(t, "input[name=id]", "no spaces please")
	x.keys(t, kb.Enter)
	x.until(t, `document.querySelector('input[name=id][aria-invalid=true]')`)
	if got := eval[string](t, x, `document.querySelector('input[name=name]').value`); got != "Support" {
		t.Errorf("the name that was typed is now %q", got)
	}
	x.fill(t, "input[name=id]", "support")
	x.keys(t, kb.Enter)
	x.until(t, `location.pathname === '/chatbots/support/infrastructure'`)
	x.sees(t, "h1", "Support")
	x.until(t, `document.activeElement.tagName === 'H1'`) // where a screen reader goes on

	slugs := eval[[]string](t, x, `[...document.querySelectorAll('.provider')].map(e => e.dataset.provider)`)
	if got, want := strings.Join(slugs, " "), "openai anthropic google mistral xai deepseek perplexity cohere vertex bedrock azure"; got != want {
		t.Errorf("the panel has %s, want %s", got, want)
	}
	x.press(t, ".crumbs a")
	x.sees(t, ".rows", "Support")
	x.press(t, ".top button")
	x.sees(t, "h1", "Sign in")
	x.visit(t, "/chatbots/support")
	x.sees(t, "h1", "Sign in")
	x.quiet(t)
}

func flowKey(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	key, second, bad := canary("sk-good"), canary("sk-good"), canary("sk-bad")

	x.press(t, act("openai", "edit"))
	x.until(t, fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, inputOf("openai", "key")))
	x.press(t, act("openai", "save")) // nothing typed yet
	x.sees(t, row("openai")+" .error", "API key is missing.")

	x.fill(t, inputOf("openai", "key"), bad)
	x.press(t, act("openai", "test-new"))
	x.sees(t, row("openai")+" [data-result=invalid]", "does not accept this key")
	x.sees(t, row("openai")+" [data-result=invalid] blockquote", "Incorrect API key provided")

	x.fill(t, inputOf("openai", "key"), key)
	x.press(t, act("openai", "test-new"))
	x.sees(t, row("openai")+" [data-result=valid]", "knows this key")
	x.fill(t, inputOf("openai", "label"), "Billing project")
	x.press(t, act("openai", "save"))
	x.sees(t, row("openai")+" .hint", "····"+key[len(key)-4:])
	x.sees(t, row("openai")+" .label", "Billing project")
	if got := w.stored(t, "shop", "openai", 1); got != key {
		t.Errorf("what is stored is not what was typed")
	}
	x.until(t, fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, act("openai", "edit")))

	x.press(t, act("openai", "test")) // the stored one
	x.sees(t, row("openai")+" [data-result=valid]", "knows this key")
	x.sees(t, row("openai")+" .tested", "Valid")

	x.press(t, act("openai", "edit")) // the label alone
	x.fill(t, inputOf("openai", "label"), "Another project")
	x.press(t, act("openai", "save"))
	x.sees(t, row("openai")+" .label", "Another project")
	if got := w.stored(t, "shop", "openai", 1); got != key {
		t.Errorf("a new label changed the key")
	}
	x.saveKey(t, "openai", second, "")
	if got := w.stored(t, "shop", "openai", 1); got != second {
		t.Errorf("the key was not replaced")
	}

	x.press(t, byokSwitch) // a new chatbot has it on or off: flip it twice
	first := eval[string](t, x, fmt.Sprintf(`document.querySelector(%q).getAttribute('aria-checked')`, byokSwitch))
	x.press(t, byokSwitch)
	x.until(t, fmt.Sprintf(`document.querySelector(%q).getAttribute('aria-checked') !== %q`, byokSwitch, first))

	w.leaks(t, x, key, second, bad)
	x.press(t, act("openai", "delete"))
	x.sees(t, "dialog[open]", "removed for good")
	x.keys(t, kb.Escape)
	x.until(t, `!document.querySelector('dialog')`)
	if w.stored(t, "shop", "openai", 1) != second {
		t.Errorf("Escape deleted the key")
	}
	x.press(t, act("openai", "delete"))
	x.press(t, "dialog [data-act=confirm]")
	x.sees(t, row("openai"), "No key")
	if w.stored(t, "shop", "openai", 1) != "" {
		t.Errorf("the key is still stored")
	}

	x.press(t, ".tabs a:last-child")
	x.until(t, `document.querySelectorAll('.log tbody tr').length >= 5`)
	x.sees(t, ".log", "OpenAI key")
	w.leaks(t, x, key, second, bad)
	x.quiet(t)
}

func flowKeyboard(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.open(t, w.url, "/")
	x.until(t, `document.activeElement.name === 'token'`)
	key := canary("sk-good")
	typed := func(text string) { x.do(t, typing(text)) }
	// on presses Tab until the focus is where it should be, as a person would.
	on := func(condition string) {
		t.Helper()
		for range 60 {
			if eval[bool](t, x, fmt.Sprintf(`(e => Boolean(%s))(document.activeElement)`, condition)) {
				if !eval[bool](t, x, `(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0)(getComputedStyle(document.activeElement))`) {
					t.Errorf("the focus on %s cannot be seen", condition)
				}
				return
			}
			x.keys(t, kb.Tab)
		}
		t.Fatalf("Tab never comes to %s", condition)
	}
	typed(w.token("acme", "owner", time.Hour))
	x.keys(t, kb.Enter)
	x.sees(t, ".rows", "Shop")
	on(`e.closest('[data-id=shop]')`)
	x.keys(t, kb.Enter)
	x.sees(t, "h1", "Shop")
	on(`e.matches('[data-provider=anthropic] [data-act=edit]')`)
	x.keys(t, kb.Enter)
	x.until(t, `document.activeElement.matches('[data-provider=anthropic] input[name=key]')`)
	typed(key)
	on(`e.matches('[data-provider=anthropic] [data-act="test-new"]')`)
	x.keys(t, kb.Enter)
	x.sees(t, row("anthropic"), "knows this key")
	x.keys(t, kb.Enter) // pressed again: the focus is still there
	x.do(t, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
	on(`e.matches('[data-provider=anthropic] [data-act=save]')`)
	x.keys(t, kb.Enter)
	x.until(t, `document.activeElement.matches('[data-provider=anthropic] [data-act=edit]')`)
	if w.stored(t, "shop", "anthropic", 1) != key {
		t.Errorf("the key was not stored")
	}
	on(`e.matches('[data-provider=anthropic] [data-act=delete]')`)
	x.keys(t, " ")
	x.until(t, `document.querySelector('dialog[open]').contains(document.activeElement)`)
	x.keys(t, kb.Escape)
	x.until(t, `document.activeElement.matches('[data-provider=anthropic] [data-act=delete]')`)
	x.quiet(t)
}

func flowSlots(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	first, second := canary("sk-good"), canary("sk-good")
	x.saveKey(t, "mistral", first, "")
	x.press(t, act("mistral", "edit"))
	x.press(t, act("mistral", "another"))
	x.fill(t, inputOf("mistral", "key"), second)
	x.press(t, act("mistral", "save"))
	x.sees(t, row("mistral")+" [data-slot='2']", "····"+second[len(second)-4:])
	if w.stored(t, "shop", "mistral", 1) != first || w.stored(t, "shop", "mistral", 2) != second {
		t.Errorf("the two keys are not in their slots")
	}
	x.press(t, row("mistral")+" [data-slot='2'] [data-act=delete]")
	x.press(t, "dialog [data-act=confirm]")
	x.until(t, fmt.Sprintf("!document.querySelector(%q)", row("mistral")+" [data-slot='2']"))
	x.until(t, fmt.Sprintf(`document.activeElement === document.querySelector(%q)`, act("mistral", "edit")))
	w.leaks(t, x, first, second)
	x.quiet(t)
}

func flowInUse(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	x.saveKey(t, "openai", canary("sk-good"), "")
	x.sees(t, inUse, "In use within")
	seconds := func() int {
		var minutes, rest int
		clock := x.text(t, inUse+" .clock")
		if _, err := fmt.Sscanf(clock, "%d:%d", &minutes, &rest); err != nil {
			t.Fatalf("the clock shows %q", clock)
		}
		return minutes*60 + rest
	}
	before := seconds()
	if before > 300 || before < 200 {
		t.Errorf("it begins at %d seconds", before)
	}
	x.until(t, fmt.Sprintf(`document.querySelector(%q).innerText !== %q`, inUse+" .clock", x.text(t, inUse+" .clock")))
	if after := seconds(); after >= before {
		t.Errorf("it went from %d to %d seconds", before, after)
	}
	x.visit(t, "/chatbots/shop/infrastructure") // a reload forgets nothing
	if again := seconds(); again > before || again < 200 {
		t.Errorf("after a reload it shows %d seconds", again)
	}
	x.quiet(t)

	told := newWorld(t, notified)
	told.create(t, "acme", "shop", "Shop")
	x = b.signedIn(t, told, "acme", "owner", "/chatbots/shop/infrastructure")
	x.saveKey(t, "openai", canary("sk-good"), "")
	x.sees(t, inUse, "In use now")
	x.quiet(t)
}

func flowBYOI(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	const panel = "[data-panel=byoi] "
	key := canary("own")
	x.sees(t, panel, "overrides BYOK")
	x.press(t, panel+"[data-act=byoi-edit]")
	x.fill(t, panel+"input[name=url]", "not an address")
	x.fill(t, panel+"input[name=key]", key)
	x.press(t, panel+"[data-act=byoi-save]")
	x.until(t, `document.querySelector('[data-panel=byoi] input[name=url][aria-invalid=true]') === document.activeElement`)
	x.fill(t, panel+"input[name=url]", "https://llm.example.com/v1")
	x.press(t, panel+"[data-act=byoi-save]")
	x.sees(t, panel+"[data-state=set]", "Overrides BYOK.")
	x.sees(t, panel, "https://llm.example.com/v1")
	x.sees(t, "[data-panel=byok] [data-state=overridden]", "Not in use")
	x.sees(t, inUse, "In use within")
	if got := w.storedBYOI(t, "shop"); got != key {
		t.Errorf("the own endpoint's key is not what was typed")
	}
	x.press(t, panel+"[data-act=byoi-edit]") // the address alone: the key stays
	x.fill(t, panel+"input[name=url]", "https://llm.example.com/v2")
	x.press(t, panel+"[data-act=byoi-save]")
	x.sees(t, panel, "https://llm.example.com/v2")
	if got := w.storedBYOI(t, "shop"); got != key {
		t.Errorf("changing the address lost the key")
	}
	w.leaks(t, x, key)
	x.press(t, panel+"[data-act=byoi-clear]")
	x.press(t, "dialog [data-act=confirm]")
	x.until(t, `!document.querySelector('[data-panel=byoi] [data-state=set], [data-panel=byok] [data-state=overridden]')`)
	x.quiet(t)
}
