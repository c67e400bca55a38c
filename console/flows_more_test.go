package console_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sidekey/sidekey/console"
)

// serviceAccount is a file as Google's console makes it.
func serviceAccount(t *testing.T) (file []byte, privateKey string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	privateKey = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	file, err = json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": "acme-prod", "private_key_id": "0123456789abcdef", "private_key": privateKey,
		"client_email": "bot@acme-prod.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return file, privateKey
}

func flowClouds(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	file, private := serviceAccount(t)

	x.press(t, act("vertex", "edit"))
	x.fill(t, inputOf("vertex", "serviceAccount"), `{"client_email"`)
	x.sees(t, row("vertex")+" .error", "not JSON")
	x.fill(t, inputOf("vertex", "serviceAccount"), `{"api_key":"x"}`)
	x.sees(t, row("vertex")+" .error", "client_email is missing")
	x.fill(t, inputOf("vertex", "serviceAccount"), "")
	// A file is dropped on the field: it goes into the input, and nowhere else.
	drop := func(content []byte) {
		t.Helper()
		text, _ := json.Marshal(string(content))
		eval[bool](t, x, fmt.Sprintf(`(() => {
			const data = new DataTransfer();
			data.items.add(new File([%s], 'key.json', {type: 'application/json'}));
			return document.querySelector('[data-provider=vertex] .drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})) || true;
		})()`, text))
	}
	drop(bytes.Repeat([]byte("x"), 20<<10))
	x.sees(t, row("vertex")+" .error", "too large")
	x.fill(t, inputOf("vertex", "serviceAccount"), string(file)) // pasted, with its line breaks
	x.sees(t, row("vertex")+" .about", "of project acme-prod")
	x.fill(t, inputOf("vertex", "serviceAccount"), "")
	drop(file)
	x.sees(t, row("vertex")+" .about", "bot@acme-prod.iam.gserviceaccount.com of project acme-prod")
	x.fill(t, inputOf("vertex", "location"), "europe-west4")
	x.press(t, act("vertex", "save"))
	x.sees(t, row("vertex"), "····cdef")
	if got := w.stored(t, "shop", "vertex", 1); !strings.Contains(got, `"location":"europe-west4"`) || !strings.Contains(got, "BEGIN PRIVATE KEY") {
		t.Errorf("the service account was not stored as the gateway takes it")
	}

	access, secret := "AKIA"+rand.Text()[:16], canary("aws")
	x.press(t, act("bedrock", "edit"))
	x.fill(t, inputOf("bedrock", "apiKey"), "typed-before-the-choice")
	x.press(t, row("bedrock")+" input[type=radio][value='1']")
	x.press(t, act("bedrock", "save"))
	x.sees(t, row("bedrock")+" .error", "Access key ID is missing.")
	x.fill(t, inputOf("bedrock", "accessKeyId"), access)
	x.fill(t, inputOf("bedrock", "secretAccessKey"), secret)
	x.fill(t, inputOf("bedrock", "region"), "us-east-1")
	x.press(t, act("bedrock", "save"))
	x.sees(t, row("bedrock"), "····"+access[len(access)-4:])
	if got := w.stored(t, "shop", "bedrock", 1); !strings.Contains(got, secret) || strings.Contains(got, "apiKey") {
		t.Errorf("the pair of keys was not stored, or more than it")
	}

	azure := canary("azure")
	x.press(t, act("azure", "edit"))
	x.fill(t, inputOf("azure", "resourceName"), "not a host!")
	x.fill(t, inputOf("azure", "apiKey"), azure)
	x.press(t, act("azure", "save"))
	x.until(t, fmt.Sprintf(`document.querySelector(%q).getAttribute('aria-invalid') === 'true' || document.querySelector(%q)`, inputOf("azure", "resourceName"), row("azure")+" .notice.bad"))
	x.fill(t, inputOf("azure", "resourceName"), "acme-openai")
	x.press(t, act("azure", "save"))
	x.sees(t, row("azure"), "····"+azure[len(azure)-4:])

	w.leaks(t, x, private[100:160], secret, azure)
	x.quiet(t)
}

func flowGeneral(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop")
	x.fill(t, "input[name=name]", "Corner shop")
	x.keys(t, kb.Enter)
	x.sees(t, "h1", "Corner shop")
	x.sees(t, ".ok", "Renamed")
	x.until(t, `document.title === 'Corner shop: General · sidekey console'`)
	x.press(t, "[data-act=delete-chatbot]")
	x.fill(t, "dialog input", "sho")
	x.keys(t, kb.Enter)
	x.sees(t, "dialog .error", "not the same")
	x.fill(t, "dialog input", "shop")
	x.keys(t, kb.Enter)
	x.sees(t, "[data-part=empty]", "No chatbots yet")
	x.turn(t, "/chatbots/shop")
	x.sees(t, "h1", "Not found")
	x.turn(t, "/nowhere")
	x.sees(t, "h1", "No such page")
	x.quiet(t)
}

func flowAccounts(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "acme-bot", "Acme only")
	w.create(t, "globex", "globex-bot", "Globex only")
	for account, other := range map[string]string{"acme": "globex", "globex": "acme"} {
		x := b.signedIn(t, w, account, "owner", "/")
		x.sees(t, ".rows", account+"-bot")
		if eval[bool](t, x, `Boolean(document.querySelector('input[name=account]'))`) {
			t.Errorf("an owner can filter by account")
		}
		x.fill(t, "input[name=q]", other)
		x.sees(t, "[data-part=nothing-found]", "Nothing found")
		for _, address := range []string{"", "/infrastructure", "/activity"} {
			x.turn(t, "/chatbots/"+other+"-bot"+address)
			x.until(t, `document.querySelector('[data-view=problem]')`)
			if body := eval[string](t, x, `document.documentElement.outerHTML`); strings.Contains(body, strings.ToUpper(other[:1])+other[1:]+" only") {
				t.Errorf("%s sees %s's chatbot", account, other)
			}
		}
		if strings.Contains(w.told(account), strings.ToUpper(other[:1])+other[1:]+" only") {
			t.Errorf("%s was told of %s's chatbot", account, other)
		}
		x.quiet(t)
	}
}

func flowOperator(t *testing.T, b *browser) {
	w := newWorld(t)
	for i := range 55 {
		w.create(t, "acme", fmt.Sprintf("bot-%02d", i), fmt.Sprintf("Robot %02d", i))
	}
	w.create(t, "globex", "zeta", "Zeta")
	x := b.signedIn(t, w, "", "operator", "/")
	x.until(t, `document.querySelectorAll('.rows li').length === 50`)
	x.press(t, ".more")
	x.until(t, `document.querySelectorAll('.rows li').length === 56 && !document.querySelector('.more')`)
	x.fill(t, "input[name=q]", "ROBOT 1")
	x.until(t, `document.querySelectorAll('.rows li').length === 10 && location.search === '?q=ROBOT+1'`)
	x.fill(t, "input[name=q]", "")
	x.fill(t, "input[name=account]", "globex")
	x.until(t, `document.querySelectorAll('.rows li').length === 1`)
	x.sees(t, ".rows", "Zeta")
	x.visit(t, "/?account=globex&q=ze") // a link to it shows the same
	x.until(t, `document.querySelectorAll('.rows li').length === 1 && document.querySelector('input[name=account]').value === 'globex'`)
	x.press(t, ".rows a")
	x.sees(t, ".under", "globex")
	x.do(t, chromedp.NavigateBack())
	x.until(t, `location.search.includes('globex') && document.querySelectorAll('.rows li').length === 1`)
	x.quiet(t)
}

func flowConflict(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	one := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	first, theirs, mine := canary("sk-good"), canary("sk-good"), canary("sk-good")
	one.saveKey(t, "openai", first, "")
	two := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	one.press(t, act("openai", "edit"))
	two.saveKey(t, "openai", theirs, "From the other desk")

	one.fill(t, inputOf("openai", "key"), mine)
	one.fill(t, inputOf("openai", "label"), "Mine")
	one.press(t, act("openai", "save"))
	one.sees(t, ".conflict", "Changed by someone else")
	one.sees(t, ".conflict", "····"+first[len(first)-4:]+" is now ····"+theirs[len(theirs)-4:])
	one.sees(t, ".conflict", "From the other desk")
	if w.stored(t, "shop", "openai", 1) != theirs {
		t.Errorf("the other's key was overwritten without a word")
	}
	one.press(t, ".conflict [data-act=keep]")
	if got := eval[[]string](t, one, fmt.Sprintf(`[document.querySelector(%q).value, document.querySelector(%q).value]`, inputOf("openai", "key"), inputOf("openai", "label"))); got[0] != mine || got[1] != "Mine" {
		t.Errorf("what was typed is lost")
	}
	one.press(t, act("openai", "save"))
	one.sees(t, row("openai")+" .hint", "····"+mine[len(mine)-4:])
	if w.stored(t, "shop", "openai", 1) != mine {
		t.Errorf("the key was not stored after all")
	}

	two.press(t, act("openai", "delete")) // what it shows is the key before
	two.press(t, "dialog [data-act=confirm]")
	two.sees(t, row("openai")+" .notice", "Changed by someone else meanwhile. Nothing was done.")
	two.sees(t, row("openai")+" .hint", "····"+mine[len(mine)-4:])
	if w.stored(t, "shop", "openai", 1) != mine {
		t.Errorf("a key was deleted by somebody who never saw it")
	}

	two.press(t, act("openai", "edit")) // deleted meanwhile: a first key again
	one.press(t, act("openai", "delete"))
	one.press(t, "dialog [data-act=confirm]")
	one.sees(t, row("openai"), "No key")
	two.fill(t, inputOf("openai", "key"), theirs)
	two.press(t, act("openai", "save"))
	two.sees(t, ".conflict", "was deleted")
	two.press(t, ".conflict [data-act=discard]")
	two.sees(t, row("openai"), "No key")
	w.leaks(t, one, first, theirs, mine)
	w.leaks(t, two, first, theirs, mine)
	one.quiet(t)
	two.quiet(t)
}

func flowConflicts(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	general := b.signedIn(t, w, "acme", "owner", "/chatbots/shop")
	infra := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	infra.press(t, "[data-act=byoi-edit]")
	infra.fill(t, "[data-panel=byoi] input[name=url]", "https://llm.example.com/v1")
	infra.fill(t, "[data-panel=byoi] input[name=key]", canary("own"))

	general.fill(t, "input[name=name]", "Corner shop")
	general.keys(t, kb.Enter)
	general.sees(t, ".ok", "Renamed")
	infra.press(t, "[data-act=byoi-save]")
	infra.sees(t, ".conflict", "The name is now “Corner shop”")
	infra.press(t, ".conflict [data-act=keep]")
	infra.press(t, "[data-act=byoi-save]")
	infra.sees(t, "[data-panel=byoi] [data-state=set]", "Overrides BYOK")

	general.fill(t, "input[name=name]", "Mine")
	general.keys(t, kb.Enter)
	general.sees(t, ".conflict", "An own endpoint was set: https://llm.example.com/v1")
	general.press(t, ".conflict [data-act=discard]")
	if got := eval[string](t, general, `document.querySelector('input[name=name]').value`); got != "Corner shop" {
		t.Errorf("after discarding, the name is %q", got)
	}
	infra.press(t, byokSwitch)
	infra.sees(t, inUse, "In use")
	general.press(t, "[data-act=delete-chatbot]")
	general.fill(t, "dialog input", "shop")
	general.keys(t, kb.Enter)
	general.sees(t, ".notice", "Changed by someone else meanwhile. Nothing was done.")
	general.sees(t, ".notice", "BYOK is now on")
	general.quiet(t)
	infra.quiet(t)
}

func flowExpired(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.open(t, w.url, "/chatbots/shop/infrastructure")
	x.signIn(t, w.token("acme", "owner", 2*time.Second))
	key := canary("sk-good")
	x.press(t, act("openai", "edit"))
	x.fill(t, inputOf("openai", "key"), key)
	x.until(t, `fetch('/api/v1/session').then(r => r.status === 401)`)
	x.press(t, act("openai", "save"))
	x.sees(t, "dialog[open]", "session has ended")
	if w.stored(t, "shop", "openai", 1) != "" {
		t.Errorf("an expired session stored a key")
	}
	x.signIn(t, w.token("acme", "owner", time.Hour))
	x.sees(t, row("openai")+" .hint", "····"+key[len(key)-4:]) // went on by itself
	if w.stored(t, "shop", "openai", 1) != key || eval[string](t, x, `location.pathname`) != "/chatbots/shop/infrastructure" {
		t.Errorf("the key was not stored, or the page is another")
	}

	// Another tab signs in anew: the cookie is shared, and this page's token for
	// changes is that of the old session.
	x.until(t, fmt.Sprintf(`fetch('/api/v1/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({token: %q})}).then(r => r.ok)`, w.token("acme", "owner", time.Hour)))
	x.press(t, byokSwitch)
	x.until(t, fmt.Sprintf(`document.querySelector(%q).getAttribute('aria-checked') === 'true'`, byokSwitch))

	// Somebody else at the same screen finds nothing of it.
	x.press(t, act("mistral", "edit"))
	x.fill(t, inputOf("mistral", "key"), key)
	x.press(t, ".top button") // signs out: a fresh document
	x.sees(t, "h1", "Sign in")
	x.signIn(t, w.token("acme", "owner", time.Hour))
	x.visit(t, "/chatbots/shop/infrastructure")
	x.press(t, act("mistral", "edit"))
	x.fill(t, inputOf("mistral", "key"), key)
	x.until(t, `fetch('/api/v1/session').then(r => r.json()).then(s => fetch('/api/v1/session', {method: 'DELETE', headers: {'X-CSRF-Token': s.csrf}})).then(r => r.status === 204)`)
	x.press(t, act("mistral", "save"))
	x.sees(t, "dialog[open]", "session has ended")
	x.signIn(t, w.token("globex", "owner", time.Hour))
	x.until(t, `document.querySelector('[data-view=problem]')`)
	w.leaks(t, x, key)
	x.quiet(t)
}

// A console that may store keys and not open them, and an owner in a hurry.
func flowRoles(t *testing.T, b *browser) {
	w := newWorld(t, func(_ *testing.T, cfg *console.Config) { cfg.Decrypts = func() bool { return false } })
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	x.saveKey(t, "openai", canary("sk-good"), "")
	if eval[bool](t, x, fmt.Sprintf(`Boolean(document.querySelector(%q))`, act("openai", "test"))) {
		t.Error("the test of a stored key is offered, and cannot work")
	}
	x.press(t, act("openai", "edit"))
	x.fill(t, inputOf("openai", "key"), canary("sk-good"))
	for i := 0; !eval[bool](t, x, fmt.Sprintf(`Boolean(document.querySelector(%q))`, row("openai")+" .notice.bad")); i++ {
		if i > 40 {
			t.Fatal("tests are not limited")
		}
		x.press(t, act("openai", "test-new"))
		x.until(t, fmt.Sprintf(`!document.querySelector(%q)`, act("openai", "test-new")+"[aria-busy]"))
	}
	x.sees(t, row("openai")+" .notice.bad", "Too many attempts. Try again in")

	// The key is deleted by somebody else: the row tells the truth again.
	x.press(t, act("openai", "cancel"))
	if err := w.owner.Delete(t.Context(), "shop", "openai", "acme"); err != nil {
		t.Fatal(err)
	}
	x.press(t, act("openai", "delete"))
	x.press(t, "dialog [data-act=confirm]")
	x.sees(t, row("openai"), "no longer exists")
	x.sees(t, row("openai"), "No key")
	x.quiet(t)
}

func flowXSS(t *testing.T, b *browser) {
	w := newWorld(t)
	const evil = `"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}`
	w.create(t, "acme", "evil", evil)
	x := b.signedIn(t, w, "acme", "owner", "/")
	x.sees(t, ".rows b", evil)
	x.press(t, ".rows a")
	x.sees(t, "h1", evil)
	x.saveKey(t, "openai", canary("sk-good"), `<b onclick=alert(3)>`)
	x.sees(t, row("openai")+" .label", `<b onclick=alert(3)>`)
	x.press(t, act("openai", "delete"))
	x.sees(t, "dialog[open]", "OpenAI")
	x.keys(t, kb.Escape)
	x.turn(t, "/chatbots/evil")
	x.press(t, "[data-act=delete-chatbot]")
	x.sees(t, "dialog[open] h2", evil)
	x.keys(t, kb.Escape)
	x.turn(t, "/chatbots/evil/activity")
	x.sees(t, ".log", "OpenAI key")
	for _, address := range []string{"/", "/chatbots/evil", "/chatbots/evil/infrastructure", "/chatbots/evil/activity", "/chatbots/" + "%3Cimg%20src=x%20onerror=alert(4)%3E", "/?q=%22%3E%3Cimg%20src=x%20onerror=alert(5)%3E"} {
		x.turn(t, address)
		if n := eval[int](t, x, `document.querySelectorAll('main img, main script, main [onclick], main [onerror], main b b').length`); n != 0 {
			t.Errorf("%s: %d elements were made of a name", address, n)
		}
	}
	x.quiet(t)
}

func flowOffline(t *testing.T, b *browser) {
	w := newWorld(t)
	w.create(t, "acme", "shop", "Shop")
	x := b.signedIn(t, w, "acme", "owner", "/chatbots/shop/infrastructure")
	key := canary("sk-good")
	x.press(t, act("openai", "edit"))
	x.fill(t, inputOf("openai", "key"), key)
	w.away.Store(true)
	x.press(t, act("openai", "save"))
	x.sees(t, row("openai")+" .notice.bad", "cannot be reached")
	x.press(t, ".tabs a:last-child")
	x.sees(t, "h1", "No connection")
	w.away.Store(false)
	x.press(t, "[data-view=problem] button")
	x.until(t, `document.querySelector('[data-view=chatbot]')`)
	x.press(t, ".tabs a:nth-child(2)")
	x.sees(t, "h1", "Shop")
	x.press(t, act("openai", "edit"))
	x.fill(t, inputOf("openai", "key"), key)
	w.away.Store(true)
	x.press(t, act("openai", "save"))
	x.sees(t, row("openai")+" .notice.bad", "cannot be reached")
	w.away.Store(false)
	x.press(t, act("openai", "save")) // what was typed is still there
	x.sees(t, row("openai")+" .hint", "····"+key[len(key)-4:])
	eval[bool](t, x, `(Object.defineProperty(navigator, 'onLine', {get: () => false, configurable: true}), window.dispatchEvent(new Event('offline')))`)
	x.sees(t, "#notices", "You are offline")
	x.quiet(t)
}

func flowPhone(t *testing.T, b *browser) {
	w := newWorld(t)
	const id = "a-chatbot-with-an-id-that-is-as-long-as-they-come:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	w.create(t, "acme", id, strings.Repeat("Donaudampfschifffahrtsgesellschaft", 3))
	x := b.signedIn(t, w, "", "operator", "/")
	fits := func(what string) {
		t.Helper()
		x.accessible(t, what)
		for _, width := range []int64{320, 375, 768, 1600} {
			x.do(t, chromedp.EmulateViewport(width, 700))
			if got := eval[int64](t, x, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s at %d px is %d px wide", what, width, got)
			}
		}
	}
	for _, address := range []string{"/", "/new", "/?q=zzz", "/chatbots/" + id, "/chatbots/" + id + "/activity", "/chatbots/nope", "/chatbots/" + id + "/infrastructure"} {
		x.turn(t, address)
		fits(address)
	}
	for _, slug := range []string{"openai", "vertex", "bedrock", "azure"} {
		x.press(t, act(slug, "edit"))
	}
	x.fill(t, inputOf("openai", "key"), canary("sk-bad"))
	x.fill(t, inputOf("openai", "label"), strings.Repeat("label", 15))
	x.press(t, act("openai", "test-new"))
	x.sees(t, row("openai"), "does not accept")
	fits("open forms")
	x.press(t, act("openai", "save"))
	x.sees(t, row("openai"), "····")
	fits("a stored key")
	x.press(t, act("openai", "delete"))
	x.sees(t, "dialog[open]", "removed for good")
	fits("a dialog")
	x.keys(t, kb.Escape)
	x.quiet(t)
}
