package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// A browser is a real one, with one page open. It takes down all that the page
// says and all that it asks of the network.
type browser struct {
	ctx context.Context

	mu       sync.Mutex
	said     []string // to the console, or as an error
	requests []string
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
	t.Skip("SKIPPED: chromium is not installed, so the page of results was seen by no browser")
	return ""
}

// openPage shows a file. The browser ends with the test.
func openPage(t *testing.T, file string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox) // as root there is none
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	b := &browser{}
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.listen))
	t.Cleanup(cancel)
	b.ctx = ctx
	b.do(t, command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}),
		chromedp.EmulateViewport(1200, 900), chromedp.Navigate("file://"+file))
	return b
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, "console "+string(e.Type))
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, "exception "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		b.said = append(b.said, "a dialog opened")
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// command is a command of the DevTools protocol that returns nothing of use.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// run returns what an action yields.
func run[T any](t *testing.T, b *browser, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eval returns what an expression of JavaScript is in the page.
func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	return run(t, b, chromedp.Evaluate[T](expression))
}

func (b *browser) ground(t *testing.T, scheme string) string {
	t.Helper()
	b.do(t, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
	return eval[string](t, b, `getComputedStyle(document.body).backgroundColor`)
}

// pointAt scrolls to an element and moves the pointer to a part of its width.
func (b *browser) pointAt(t *testing.T, selector string, part float64) {
	t.Helper()
	at := eval[[]float64](t, b, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({block: 'center', behavior: 'instant'});
		const r = e.getBoundingClientRect();
		return [r.left + r.width * %g, r.top + r.height / 3];
	})()`, selector, part))
	b.do(t, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
}

// htmlFile writes the page of results to a file.
func htmlFile(t *testing.T, res ...Results) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := WriteHTML(f, SummarizeAll(res), ""); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostileRun has names that would like to run as scripts.
func hostileRun() Results {
	const evil = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'--><b>`
	res := fullRun()
	for i := range res.Run.Targets {
		if t := &res.Run.Targets[i]; t.Name == "nginx" {
			t.Name, t.Version, t.Note, t.URL = evil, evil, evil, "javascript:alert(3)//"
		}
	}
	for i := range res.Rounds {
		if r := &res.Rounds[i]; r.Target == "nginx" {
			r.Target, r.Errors = evil, map[string]int64{evil: 1}
		}
	}
	res.Rounds[5].Short, res.Run.Machine.CPU, res.Notes = evil, evil, []string{evil}
	res.Run.Settings.Tags = map[string]string{evil: evil}
	return res
}

// The page is seen as people see it, with names that try to break out of it.
func TestPageInABrowser(t *testing.T) {
	file := htmlFile(t, hostileRun())
	b := openPage(t, file)

	t.Run("draws every chart", func(t *testing.T) {
		for selector, want := range map[string]int{
			".scenario":                                   2,
			".bars svg":                                   12,
			".bars [data-tip]":                            6*4 + 1 + 6*4, // requests per second has direct too
			".bars .whisker":                              3 * (6*4 + 1 + 6*4),
			".plot svg.wide":                              5,
			"#r1-s1-d0 svg.wide path.line":                5,
			"#r1-s1-d0 svg.wide path.band":                5,
			"#r1-s1-time svg.wide path.line":              2 * 25,
			"#r1-s1-time svg.wide path.short":             2 * 3,
			"#r1-s1-time details tbody tr":                25,
			".figures table":                              2,
			"svg.wide:not([aria-label])":                  0,
			"svg [data-tip]:not([aria-label])":            0,
			"img, iframe, link, [onerror], b b, b script": 0,
		} {
			if got := eval[int](t, b, "document.querySelectorAll('"+selector+"').length"); got != want {
				t.Errorf("%s: got %d, want %d", selector, got, want)
			}
		}
	})
	t.Run("tells figures under the pointer and at the focus", func(t *testing.T) {
		const tip = `document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText`
		eval[bool](t, b, `document.querySelector('.bars [data-tip]').focus() || true`)
		if got := eval[string](t, b, tip); !strings.HasPrefix(got, "sidekey: 64.0 µs (") {
			t.Errorf("a bar tells %q", got)
		}
		eval[bool](t, b, `document.querySelector('#r1-s1-d0 svg.wide').focus() || true`)
		b.do(t, chromedp.KeyEvent(kb.Home))
		first := eval[string](t, b, tip)
		b.do(t, chromedp.KeyEvent(kb.ArrowRight))
		if second := eval[string](t, b, tip); first == second || !strings.HasPrefix(first, "p10.9: one in 1.12 is slower\n") || !strings.Contains(second, "direct") || !strings.Contains(second, "</script>") {
			t.Errorf("the plot tells %q, then %q", first, second)
		}
		told := func(text string) bool {
			return strings.Contains(text, "round 3, second") && strings.Contains(text, "requests per second") && strings.Contains(text, "p99")
		}
		var got string
		for deadline := time.Now().Add(20 * time.Second); !told(got) && time.Now().Before(deadline); { // the browser hands a movement on with its next frame
			b.pointAt(t, "#r1-s1-time svg.wide", 0.5)
			got = eval[string](t, b, tip)
		}
		if !told(got) {
			t.Errorf("the time tells %q", got)
		}
	})
	t.Run("has a light and a dark ground", func(t *testing.T) {
		light, dark := b.ground(t, "light"), b.ground(t, "dark")
		if light == dark {
			t.Errorf("both grounds are %s", light)
		}
		for _, want := range []string{light, dark, dark} { // light, dark, and auto again
			b.do(t, chromedp.Click(chromedp.CSS("#theme")))
			if got := eval[string](t, b, `getComputedStyle(document.body).backgroundColor`); got != want {
				t.Errorf("the button leads to %s, want %s", got, want)
			}
		}
		b.ground(t, "light")
	})
	t.Run("fits every width", func(t *testing.T) {
		for _, width := range []int64{320, 375, 600, 780, 781, 1200, 1920} {
			b.do(t, chromedp.EmulateViewport(width, 800))
			eval[bool](t, b, `document.querySelectorAll('details').forEach(d => d.open = true) || true`)
			if got := eval[int64](t, b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("at %d px the page is %d px wide", width, got)
			}
			if small := eval[float64](t, b, `Math.min(...[...document.querySelectorAll('svg text')].filter(e => e.getClientRects().length).map(e => e.getBoundingClientRect().height))`); small < 9 {
				t.Errorf("at %d px a text of a chart is %.1f px high", width, small)
			}
		}
	})
	t.Run("prints", func(t *testing.T) {
		pdf := run(t, b, chromedp.PrintToPDF(chromedp.PDFPrintBackground()))
		if len(pdf) < 20_000 {
			t.Errorf("it prints as %d bytes", len(pdf))
		}
	})

	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.said) > 0 {
		t.Errorf("the page complains, or a name ran as a script: %q", b.said)
	}
	if len(b.requests) != 1 || b.requests[0] != "file://"+file {
		t.Errorf("the page asks the network for %q", b.requests)
	}
}

// TestPagePictures makes pictures for people to judge, where it is asked to.
func TestPagePictures(t *testing.T) {
	if *screenshots == "" {
		t.Skip("pictures are made with -screenshots FOLDER")
	}
	b := openPage(t, htmlFile(t, fullRun()))
	save := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(*screenshots, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, scheme := range []string{"light", "dark"} {
		b.ground(t, scheme)
		for _, width := range []int64{1200, 375} {
			b.do(t, chromedp.EmulateViewport(width, 900))
			save(fmt.Sprintf("%s-%d.png", scheme, width), run(t, b, chromedp.FullScreenshot(100)))
		}
	}
	b.do(t, chromedp.EmulateViewport(1200, 900))
	for i, selector := range []string{"#r1-s1-d0 svg.wide", "#r1-s1-time svg.wide", ".bars .row"} {
		b.pointAt(t, selector, 0.7)
		save(fmt.Sprintf("tip-%d.png", i), run(t, b, chromedp.CaptureScreenshot()))
	}
	save("print.pdf", run(t, b, chromedp.PrintToPDF(chromedp.PDFPrintBackground(), chromedp.PDFPaper(chromedp.PaperA4))))
}
