package detect

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
)

// field writes a part of a form as browsers do.
func field(name, value string) string {
	return "Content-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value
}

// form puts parts between boundaries.
func form(boundary string, parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\n" + p + "\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.String()
}

const audio = "Content-Disposition: form-data; name=\"file\"; filename=\"a \\ b;c.mp3\"\r\n" +
	"Content-Type: audio/mpeg\r\n\r\nID3\x00\xff--not the boundary\r\n--B-\n"

func TestDetectFindsTheModelInAForm(t *testing.T) {
	model := field("model", "openai/whisper-1")
	for _, test := range []detectTest{
		{name: "first", body: form("Bo-1", model, audio), model: "openai/whisper-1"},
		{name: "last", body: form("Bo-1", audio, model), model: "openai/whisper-1"},
		{name: "stream", body: form("Bo-1", field("stream", "true"), model), model: "openai/whisper-1", stream: true},
		{name: "no line feed at the end", body: strings.TrimSuffix(form("Bo-1", model), "\r\n"), model: "openai/whisper-1"},
		{name: "headers in another case and order", model: "openai/whisper-1", body: form("Bo-1",
			"content-type: text/plain; charset=UTF-8\r\nCONTENT-DISPOSITION:form-data;NAME=model\r\n\r\nopenai/whisper-1")},
		{name: "an encoded file name beside it", model: "openai/whisper-1", body: form("Bo-1", model,
			"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%e2%82%ac.mp3\r\n\r\nx")},
		{name: "none", body: form("Bo-1", audio), err: ErrNoModel},
		{name: "empty", body: form("Bo-1", field("model", "")), err: ErrNoModel},
		{name: "another case", body: form("Bo-1", field("Model", "x")), err: ErrNoModel},
		{name: "no parts", body: "--Bo-1--\r\n", err: ErrNoModel},
		{name: "control byte", body: form("Bo-1", field("model", "a\r\nb")), err: ErrBadModel},
		{name: "as a file", err: ErrModelType, body: form("Bo-1",
			"Content-Disposition: form-data; name=\"model\"; filename=\"m\"\r\n\r\nx")},
		{name: "in base64", err: ErrModelType, body: form("Bo-1",
			"Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64\r\n\r\nZ3B0LTU=")},
		{name: "in UTF-16", err: ErrModelType, body: form("Bo-1",
			"Content-Disposition: form-data; name=\"model\"\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nx")},
	} {
		test.surface, test.place = Transcriptions, InMultipart
		test.header = headers(`Content-Type: multipart/form-data; boundary="Bo-1"`)
		if test.model != "" {
			test.provider = "openai"
		}
		t.Run(test.name, test.run)
	}
}

func TestDetectRefusesAFormThatParsersReadDifferently(t *testing.T) {
	good := form("b", field("model", "gpt-5"))
	for name, body := range map[string]string{
		"empty":                    "",
		"another boundary":         form("c", field("model", "gpt-5")),
		"text in front":            "x\r\n" + good,
		"JSON in front":            `{"model":"gpt-5"}` + "\r\n" + good,
		"text behind":              good + "x",
		"a part behind":            good + good,
		"broken off":               good[:len(good)-5],
		"broken off in the head":   good[:20],
		"bare line feeds":          strings.ReplaceAll(good, "\r\n", "\n"),
		"a bare line feed within":  form("b", field("x", "1\n--b\nContent-Disposition: form-data; name=\"model\"\n\ny"), field("model", "gpt-5")),
		"a bare line feed before":  form("b", field("x", "1\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ny"), field("y", "z")),
		"padding":                  strings.Replace(good, "--b\r\n", "--b \r\n", 1),
		"text behind the boundary": form("b", field("x", "1\r\n--bx"), field("model", "gpt-5")),
		"no head":                  "--b\r\n--b--\r\n",
		"no name":                  form("b", "Content-Disposition: form-data\r\n\r\nx"),
		"no disposition":           form("b", "Content-Type: text/plain\r\n\r\nx"),
		"two dispositions":         form("b", "Content-Disposition: form-data; name=\"x\"\r\n"+field("model", "gpt-5")),
		"a second disposition":     form("b", "Content-Disposition: form-data; name=\"model\"\r\nContent-Disposition: form-data; filename=\"x\"\r\n\r\nx"),
		"two names":                form("b", "Content-Disposition: form-data; name=\"x\"; name=\"model\"\r\n\r\nx"),
		"an encoded name":          form("b", "Content-Disposition: form-data; name*=utf-8''model\r\n\r\nx"),
		"an escaped name":          form("b", "Content-Disposition: form-data; name=\"mo\\del\"\r\n\r\nx"),
		"an escaped quote":         form("b", "Content-Disposition: form-data; filename=\"\\\"; name=\"model\"\r\n\r\nx"),
		"an open quote":            form("b", "Content-Disposition: form-data; name=\"model\r\n\r\nx"),
		"text behind a quote":      form("b", "Content-Disposition: form-data; name=\"x\"y\r\n\r\nx"),
		"a folded header":          form("b", "Content-Disposition: form-data;\r\n name=\"model\"\r\n\r\nx"),
		"a space before the colon": form("b", "Content-Disposition : form-data; name=\"model\"\r\n\r\nx"),
		"a control byte":           form("b", "Content-Disposition: form-data; name=model\x7f\r\n\r\nx"),
		"an attachment":            form("b", "Content-Disposition: attachment; name=\"model\"\r\n\r\nx"),
	} {
		r := &Request{Surface: ImageEdits, Body: []byte(body), Header: headers("Content-Type: multipart/form-data; boundary=b")}
		if got, err := newDetector(t).Detect(r); !errors.Is(err, ErrNotForm) {
			t.Errorf("%s: got model %q, %v, want ErrNotForm", name, got.Model, err)
		}
	}
	for _, contentType := range []string{
		"multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=b; boundary=b",
		"multipart/form-data; boundary=\"b", "multipart/form-data; boundary=b b", "multipart/form-data; x",
		"multipart/form-data; boundary=\"a\r\nb\"", "multipart/form-data; boundary=" + strings.Repeat("b", 71),
	} {
		if boundary, form := formBoundary([]byte(contentType)); boundary != nil || !form {
			t.Errorf("%q: got boundary %q, %v, want a form without one", contentType, boundary, form)
		}
	}
}

func TestDetectRefusesAFormWithTwoModels(t *testing.T) {
	body := form("b", field("model", ""), audio, field("model", "gpt-5"))
	r := &Request{Surface: Transcriptions, Body: []byte(body), Header: headers("Content-Type: Multipart/Form-Data; boundary=b")}
	_, err := newDetector(t).Detect(r)
	var twice *DuplicateError
	if !errors.As(err, &twice) || twice.Key != "model" {
		t.Errorf("got %v, want a DuplicateError for model", err)
	}
}

func TestAFormCannotCarryAnOwnerKey(t *testing.T) {
	d := newDetector(t)
	edit := &Request{Surface: ImageEdits, Body: []byte(`{"model":"gpt-image-1"}`)}
	if got, err := d.Detect(edit); err != nil || !got.CarriesOwnerKey() {
		t.Errorf("JSON: got %v, %v, want true", got.CarriesOwnerKey(), err)
	}
	edit.Body = []byte(form("b", field("model", "gpt-image-1")))
	edit.Header = headers("Content-Type: multipart/form-data; boundary=b")
	if got, err := d.Detect(edit); err != nil || got.CarriesOwnerKey() {
		t.Errorf("form: got %v, %v, want false", got.CarriesOwnerKey(), err)
	}
}

// FuzzFormModel holds what is found against the standard library's reader.
func TestFormOptionsAreFound(t *testing.T) {
	for name, want := range map[string]string{
		"prompt": "", "providerOption": "", "providerOptionsX": "", "modelsX": "", "Model": "",
		"providerOptions": "providerOptions", "ProviderOptions": "providerOptions", "provider_options": "providerOptions",
		"providerOptions[gateway][byok]": "providerOptions", "providerOptions.gateway": "providerOptions",
		"models": "models", "models[]": "models", "models[0]": "models",
		"model[]": "!", "model[0]": "!", "model.id": "!", "_charset_": "!", "m%6fdel": "!", `mod\el`: "!",
	} {
		found := Form{Boundary: []byte("b")}
		_, _, err := formModel([]byte(form("b", field("model", "m"), field(name, "{}"))), &found)
		if got := map[bool]string{true: "!", false: found.Option}[err != nil]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	r := &Request{Surface: Transcriptions, Body: []byte(form("b", field("model", "m"))), Header: headers("Content-Type: multipart/form-data; boundary=b", "Content-Type: application/json")}
	if _, err := newDetector(t).Detect(r); !errors.Is(err, ErrNotForm) {
		t.Errorf("two content types: got %v", err)
	}
}

func FuzzFormModel(f *testing.F) {
	f.Add([]byte(form("b", field("model", "gpt-5"), audio)))
	f.Add([]byte(form("b", audio, field("stream", "true"), field("model", ""))))
	f.Add([]byte("--b\r\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		found := Form{Boundary: []byte("b")}
		at, _, err := formModel(body, &found)
		if err != nil {
			return
		}
		model := at.Of(body)
		// A part of ours goes in front of the first one.
		body = append([]byte("--b\r\n"+field("providerOptions", "ours")+"\r\n"), body...)
		options := 0
		var want [][]byte
		for r := multipart.NewReader(bytes.NewReader(body), "b"); ; {
			p, err := r.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: accepted, but the standard library says %v", body, err)
			}
			value, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			switch p.FormName() {
			case "model":
				want = append(want, value)
			case "providerOptions":
				if options++; options == 1 && string(value) != "ours" {
					t.Fatalf("%q: the first options are not ours", body)
				}
			}
		}
		if options == 0 || options > 1 && found.Option != "providerOptions" {
			t.Fatalf("%q: %d options, and %q was found", body, options, found.Option)
		}
		if len(want) > 1 || len(want) == 1 && !bytes.Equal(want[0], model) || len(want) == 0 && model != nil {
			t.Fatalf("%q: got %q, the standard library %q", body, model, want)
		}
	})
}
