package console

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page run its own scripts and styles, talk to its own
// origin, and do nothing else. Trusted types are asked for and none is allowed,
// so that even a mistake of ours (innerHTML with a name in it) is an error in
// the browser instead of a hole.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// A pageFile is one file of the page, as it is sent.
type pageFile struct {
	kind string // Content-Type
	etag string
	body []byte
}

// Page serves the console's web page: its files under /page/, and the document
// itself at each address that the page has. The page shows nothing that the API
// would not tell the same caller; it needs no sign-in and holds no data.
//
// An address that the page does not have gets the document too, with 404, so
// that people see it in words. A browser asks again each time whether a file
// has changed: a new binary must never run with an old script.
func Page() http.Handler {
	files := readPage()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
			return
		}
		setPageHeaders(w.Header())
		name, asset := strings.CutPrefix(r.URL.Path, "/page/")
		if !asset {
			name = "index.html"
		}
		f, ok := files[name]
		if !ok {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		f.send(w, r, asset || isPageAddress(r.URL.Path))
	})
}

// send writes a file, or 304 to who has it. The document of an unknown address
// is never cached, because 304 would make it look known.
func (f pageFile) send(w http.ResponseWriter, r *http.Request, known bool) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	status := http.StatusOK
	switch {
	case !known:
		status = http.StatusNotFound
		h.Set("Cache-Control", "no-store")
	default:
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
		if r.Header.Get("If-None-Match") == f.etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		w.Write(f.body)
	}
}

func setPageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // an address holds a chatbot's id
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// isPageAddress says whether router.js has a view for the path.
func isPageAddress(p string) bool {
	if p == "/" || p == "/new" {
		return true
	}
	rest, ok := strings.CutPrefix(p, "/chatbots/")
	if !ok {
		return false
	}
	id, tab, more := strings.Cut(rest, "/")
	return id != "" && (!more || tab == "infrastructure" || tab == "activity")
}

// readPage reads the embedded files once. It panics only if the binary was
// built from a broken tree.
func readPage() map[string]pageFile {
	files := map[string]pageFile{}
	err := fs.WalkDir(pageFiles, "page", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := pageFiles.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		files[strings.TrimPrefix(p, "page/")] = pageFile{
			kind: pageKind(path.Ext(p)),
			etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			body: body,
		}
		return nil
	})
	if err != nil {
		panic("console: BUG: the embedded page cannot be read: " + err.Error())
	}
	return files
}

// pageKind does not ask the machine's own table of types for what the page is
// made of: a wrong entry there would stop the scripts.
func pageKind(ext string) string {
	switch ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(ext)
}
