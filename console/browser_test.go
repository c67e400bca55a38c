package console_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var screenshots = flag.String("screenshots", "", "a folder for pictures of the page, to look at")

// patience is how long a test waits for what a page should come to show.
const patience = 20 * time.Second

// A browser is a real one. Each tab has cookies and storage of its own. A tab
// takes longer to open than most flows take, so those that are done with are
// used again, as empty as new ones.
type browser struct {
	ctx  context.Context
	mu   sync.Mutex
	free []*tab
}

// chromium finds a Chromium. In CI it must be there.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("chromium is not installed; CI needs it")
	}
	t.Skip("SKIPPED: chromium is not installed, so the console's page was seen by no browser")
	return ""
}

// startBrowser starts one. It ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU) // as root there is no sandbox
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return &browser{ctx: ctx}
}

// A tab is one page, and takes down all that it says, asks and is told.
type tab struct {
	ctx  context.Context
	home string // the console's origin

	mu       sync.Mutex
	said     []string // to the console, or as an error
	requests []string
}

// open shows an address of the page in a tab with a profile of its own.
func (b *browser) open(t *testing.T, home, address string) *tab {
	t.Helper()
	x := b.take()
	if x == nil {
		x = &tab{}
		ctx, _ := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(x.listen)) // ends with the browser
		x.ctx = ctx
		x.do(t, command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}))
	}
	x.home = home
	x.do(t, chromedp.EmulateViewport(1100, 900))
	x.visit(t, address)
	t.Cleanup(func() { b.giveBack(x) })
	return x
}

func (b *browser) take() *tab {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.free) == 0 {
		return nil
	}
	x := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return x
}

// giveBack empties a tab for the next flow. One that cannot be emptied is left.
func (b *browser) giveBack(x *tab) {
	if chromedp.Do(x.ctx, chromedp.Navigate("about:blank"), command(network.ClearBrowserCookies, cdp.Empty{}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})) != nil {
		return
	}
	x.mu.Lock()
	x.said, x.requests = nil, nil
	x.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, x)
}

func (x *tab) listen(event any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			words = append(words, fmt.Sprint(a.Value, a.Description))
		}
		x.said = append(x.said, "console "+string(e.Type)+": "+strings.Join(words, " "))
	case *runtime.EventExceptionThrown:
		x.said = append(x.said, "exception "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		// A browser logs each answer of 400 and above. Those the page is meant
		// to get are no complaints of the page.
		if e.Entry.Source != log.EntrySourceNetwork {
			x.said = append(x.said, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		x.said = append(x.said, "a dialog opened")
	case *network.EventRequestWillBeSent:
		x.requests = append(x.requests, e.Request.URL)
	}
}

// command is a command of the DevTools protocol that returns nothing of use.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (x *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(x.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// eval returns what an expression of JavaScript is in the page.
func eval[T any](t *testing.T, x *tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(x.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// visit goes to an address of the page, as if it were typed.
func (x *tab) visit(t *testing.T, address string) {
	t.Helper()
	x.do(t, chromedp.Navigate(x.home+address))
	x.until(t, `document.readyState === 'complete' && !document.querySelector('main[aria-busy=true]')`)
}

// turn goes to an address of the page as its links do, without loading it anew,
// which costs a browser a hundred times as much.
func (x *tab) turn(t *testing.T, address string) {
	t.Helper()
	eval[bool](t, x, fmt.Sprintf(`(history.pushState(null, '', %q), window.dispatchEvent(new PopStateEvent('popstate')))`, address))
	x.until(t, `!document.querySelector('main[aria-busy=true]')`)
}

// signedIn opens a tab at an address, as somebody who has a session.
func (b *browser) signedIn(t *testing.T, w *world, account, role, address string) *tab {
	t.Helper()
	x := b.open(t, w.url, address)
	x.signIn(t, w.token(account, role, time.Hour))
	return x
}

// signIn uses the form that is open, whichever view is below or behind it.
func (x *tab) signIn(t *testing.T, token string) {
	t.Helper()
	x.fill(t, "input[name=token]", token)
	x.keys(t, kb.Enter)
	x.until(t, `!document.querySelector('input[name=token]') && !document.querySelector('main[aria-busy=true]')`)
}

// until waits for an expression to become true.
func (x *tab) until(t *testing.T, expression string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(15 * time.Millisecond) { // between two looks
		ok, err := chromedp.Run(x.ctx, chromedp.Evaluate[bool]("Promise.resolve("+expression+").then(Boolean)", chromedp.EvalAwaitPromise))
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s (%v)\nthe page shows: %s", expression, err, strings.Join(strings.Fields(x.text(t, "main")+x.text(t, "dialog")), " "))
		}
	}
}

// sees waits for a text within an element.
func (x *tab) sees(t *testing.T, selector, text string) {
	t.Helper()
	x.until(t, fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, selector, text))
}

func (x *tab) text(t *testing.T, selector string) string {
	t.Helper()
	return eval[string](t, x, fmt.Sprintf(`(document.querySelector(%q) || {innerText: ''}).innerText`, selector))
}

// press clicks what a pointer would, once it is there and not busy.
func (x *tab) press(t *testing.T, selector string) {
	t.Helper()
	x.until(t, fmt.Sprintf(`document.querySelector(%q) && !document.querySelector(%q).closest('[aria-busy=true]')`, selector, selector))
	eval[bool](t, x, fmt.Sprintf(`document.querySelector(%q).click() || true`, selector))
}

// fill types into an input what a person would, after what is there.
func (x *tab) fill(t *testing.T, selector, text string) {
	t.Helper()
	x.until(t, fmt.Sprintf(`document.querySelector(%q)`, selector))
	eval[bool](t, x, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.focus(); e.select(); return true; })()`, selector))
	x.do(t, typing(text))
}

// typing puts a text where the focus is, as a paste does.
func typing(text string) chromedp.Action[chromedp.Void] {
	return command(input.InsertText, input.InsertTextParams{Text: text})
}

// keys presses keys.
func (x *tab) keys(t *testing.T, keys ...string) {
	t.Helper()
	for _, k := range keys {
		x.do(t, chromedp.KeyEvent(k))
	}
}

// quiet fails if the page has complained, asked another origin, or broken its
// policy.
func (x *tab) quiet(t *testing.T) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.said) > 0 {
		t.Errorf("the page complains: %q", x.said)
	}
	for _, r := range x.requests {
		if u, err := url.Parse(r); err != nil || u.Scheme+"://"+u.Host != x.home && u.Scheme != "data" && r != "about:blank" {
			t.Errorf("the page asks %s", r)
		}
	}
}
