package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// accessible fails where somebody could not read, find or name a part of the
// view that is shown: texts in both themes, and what a screen reader needs.
func (x *tab) accessible(t *testing.T, what string) {
	t.Helper()
	for _, problem := range eval[[]string](t, x, unnamed) {
		t.Errorf("%s: %s", what, problem)
	}
	for _, scheme := range []string{"light", "dark"} {
		x.scheme(t, scheme)
		for _, problem := range eval[[]string](t, x, pale) {
			t.Errorf("%s, %s: %s", what, scheme, problem)
		}
	}
}

func (x *tab) scheme(t *testing.T, scheme string) {
	t.Helper()
	x.do(t, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}))
}

// unnamed lists controls without a name, ids that are there twice, references
// to nothing, and headings that skip a level.
const unnamed = `(() => {
	const out = [];
	const seen = e => e.getClientRects().length > 0;
	for (const e of document.querySelectorAll('input, textarea, button, a[href], [role=switch], dialog')) {
		if (!seen(e) || e.getAttribute('aria-hidden')) continue;
		const by = (e.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id)?.innerText || '').join('');
		const name = e.getAttribute('aria-label') || by || (e.labels && [...e.labels].map(l => l.innerText).join('')) || e.innerText;
		if (!name || !name.trim()) out.push('no name: ' + e.outerHTML.slice(0, 120));
	}
	const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
	ids.filter((id, i) => ids.indexOf(id) !== i).forEach(id => out.push('id twice: ' + id));
	for (const e of document.querySelectorAll('[aria-describedby], [aria-labelledby]')) {
		for (const id of ((e.getAttribute('aria-describedby') || '') + ' ' + (e.getAttribute('aria-labelledby') || '')).split(' ')) {
			if (id && !document.getElementById(id)) out.push('no element ' + id);
		}
	}
	let level = 0;
	for (const e of document.querySelectorAll('main h1, main h2, main h3')) {
		const next = Number(e.tagName[1]);
		if (next > level + 1) out.push('heading skips a level: ' + e.innerText);
		level = next;
	}
	if (document.querySelectorAll('main h1').length !== 1) out.push('not one h1');
	return out;
})()`

// pale lists texts whose contrast with their ground is below 4.5 to 1 (WCAG 2.2,
// 1.4.3). Colours are read back from a canvas, whichever way they were written.
const pale = `(() => {
	const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
	const rgba = text => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = text;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = e => {
		for (; e; e = e.parentElement) {
			const c = rgba(getComputedStyle(e).backgroundColor);
			if (c[3] > 250) return c;
		}
		return [255, 255, 255, 255];
	};
	const out = new Set();
	for (const e of document.querySelectorAll('body *')) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.getClientRects().length === 0) continue;
		const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((p, q) => q - p);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < 4.5) out.add(contrast.toFixed(2) + ' to 1: ' + e.innerText.slice(0, 40));
	}
	return [...out];
})()`

// TestPagePictures makes pictures for people to judge, where it is asked to.
func TestPagePictures(t *testing.T) {
	if *screenshots == "" {
		t.Skip("pictures are made with -screenshots FOLDER")
	}
	b := startBrowser(t)
	w := newWorld(t)
	for name, id := range map[string]string{"Support, Europe": "support-eu", "Sales assistant": "sales", "Onboarding": "bot-7f3c91d2a8b04e55"} {
		w.create(t, "acme", id, name)
	}
	const infra = "/chatbots/support-eu/infrastructure"
	x := b.open(t, w.url, "/")
	x.pictures(t, "sign-in")
	x.signIn(t, w.token("empty", "owner", hour))
	x.pictures(t, "empty")
	x.press(t, ".top button")
	x.sees(t, "h1", "Sign in")
	x.visit(t, infra)
	x.signIn(t, w.token("acme", "owner", hour))
	x.pictures(t, "panel-off")
	x.press(t, byokSwitch)
	x.saveKey(t, "openai", canary("sk-good"), "Billing project")
	x.press(t, act("openai", "test"))
	x.sees(t, row("openai"), "knows this key")
	x.saveKey(t, "deepseek", canary("sk-bad"), "")
	x.press(t, act("deepseek", "test"))
	x.sees(t, row("deepseek"), "does not accept")
	x.pictures(t, "panel")
	for _, slug := range []string{"openai", "vertex", "bedrock", "azure"} {
		x.press(t, act(slug, "edit"))
	}
	x.press(t, act("azure", "save"))
	x.press(t, "[data-act=byoi-edit]")
	x.pictures(t, "forms")
	x.visit(t, infra)
	x.press(t, act("openai", "edit"))
	other := b.signedIn(t, w, "acme", "owner", infra)
	other.saveKey(t, "openai", canary("sk-good"), "From the other desk")
	x.fill(t, inputOf("openai", "key"), canary("sk-good"))
	x.press(t, act("openai", "save"))
	x.sees(t, ".conflict", "Changed by")
	x.pictures(t, "conflict")
	x.visit(t, infra)
	x.press(t, "[data-act=byoi-edit]")
	x.fill(t, "[data-panel=byoi] input[name=url]", "https://llm.acme.example/v1")
	x.fill(t, "[data-panel=byoi] input[name=key]", canary("own"))
	x.press(t, "[data-act=byoi-save]")
	x.sees(t, "[data-panel=byoi]", "Overrides BYOK.")
	x.pictures(t, "byoi")
	x.press(t, act("openai", "delete"))
	x.pictures(t, "delete-key")
	for name, address := range map[string]string{"list": "/", "nothing-found": "/?q=zzz", "new": "/new", "general": "/chatbots/support-eu", "activity": "/chatbots/support-eu/activity", "missing": "/chatbots/nope"} {
		x.visit(t, address)
		x.pictures(t, name)
	}
	x = b.signedIn(t, w, "", "operator", "/")
	x.pictures(t, "operator")
	x.do(t, command(network.ClearBrowserCookies, cdp.Empty{}))
	x.press(t, ".rows a")
	x.sees(t, "dialog", "session has ended")
	x.pictures(t, "expired")
}

const hour = time.Hour

// pictures takes one in each theme, and one at the width of a phone.
func (x *tab) pictures(t *testing.T, name string) {
	t.Helper()
	for _, look := range []struct {
		scheme string
		width  int64
	}{{"light", 1100}, {"dark", 1100}, {"light", 360}} {
		x.scheme(t, look.scheme)
		x.do(t, chromedp.EmulateViewport(look.width, 800))
		content, err := chromedp.Run(x.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%s-%d.png", name, look.scheme, look.width)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	x.do(t, chromedp.EmulateViewport(1100, 900))
}
