package proxy

import (
	"bytes"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// nameModel finds the name by which the provider knows the model that was asked
// for: the operator's (direct.models: for the whole id first, then for what is
// left without its "creator/"), else the id without "creator/". The owner's own
// deployments at Azure go before both and are looked up where the credential
// is read. False if the provider cannot have a model of that name.
func (c *directCall) nameModel(names map[string]string) bool {
	bare := detect.WithoutPrefix(c.asked, c.slug)
	if c.slug == provider.Azure {
		// Azure runs OpenAI's models, under names without a slash.
		bare = detect.WithoutPrefix(bare, provider.OpenAI)
	}
	switch id, ok := names[string(c.asked)]; {
	case len(c.model) > 0: // a deployment
	case ok:
		c.model = append(c.model, id...)
	default:
		if id, ok = names[string(bare)]; ok {
			c.model = append(c.model, id...)
		} else {
			c.model = append(c.model, bare...)
		}
	}
	return c.slug != provider.Vertex || c.nameVertexModel()
}

// nameVertexModel gives a model the form that Vertex wants in the place where
// it will stand: "google/gemini-..." in OpenAI's body, the bare id or
// "publishers/.../models/..." in Google's path. Whole resource names of some
// project are refused: the owner's credential says which one it is.
func (c *directCall) nameVertexModel() bool {
	if bytes.HasPrefix(c.model, []byte("projects/")) {
		return false
	}
	slash := bytes.IndexByte(c.model, '/')
	switch {
	case c.api == compatible && slash < 0:
		c.model = append(c.model, "google/"...)
		copy(c.model[len("google/"):], c.model)
		copy(c.model, "google/")
	case c.api == gemini && slash < 0:
	case c.api == gemini && bytes.HasPrefix(c.model, []byte("google/")):
		c.model = append(c.model[:0], c.model[len("google/"):]...)
		return bytes.IndexByte(c.model, '/') < 0
	case c.api == gemini:
		return bytes.HasPrefix(c.model, []byte("publishers/"))
	case bytes.HasPrefix(c.model, []byte("publishers/")):
		return false // not a name in OpenAI's body
	}
	return true
}

// renamed says that the model must be written anew.
func (c *directCall) renamed() bool { return !bytes.Equal(c.asked, c.model) }

// appendGeminiPath appends a path of Gemini's own API. The client's version of
// it is kept at Google AI Studio; at Vertex the prefix has one. A model that
// keeps its name keeps its spelling.
func (c *directCall) appendGeminiPath(dst, path []byte) []byte {
	colon := bytes.LastIndexByte(path, ':')
	start := 1 + bytes.IndexByte(path[1:], '/') // behind the version
	kind := path[start:colon]
	rest, models := bytes.CutPrefix(kind, []byte("/models/"))
	vertex := c.slug == provider.Vertex
	switch {
	case !models:
		return append(dst, path...) // tunedModels/..., which is a name of Google's
	case !vertex:
		dst = append(append(dst, path[:start]...), "/models/"...)
	case bytes.HasPrefix(c.model, []byte("publishers/")):
		dst = append(dst, '/')
	default:
		dst = append(dst, "/publishers/google/models/"...)
	}
	if c.renamed() {
		dst = appendPathEscaped(dst, c.model)
	} else {
		dst = append(dst, rest...)
	}
	return append(dst, path[colon:]...)
}

// appendPathEscaped escapes what could be read as something else than a part of
// a path (RFC 3986 section 3.3).
func appendPathEscaped(dst, s []byte) []byte {
	for _, ch := range s {
		switch {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', bytes.IndexByte([]byte("-._~/@:"), ch) >= 0:
			dst = append(dst, ch)
		default:
			dst = append(dst, '%', "0123456789ABCDEF"[ch>>4], "0123456789ABCDEF"[ch&15])
		}
	}
	return dst
}

// appendJSON appends the model as a JSON string. Its bytes are those of a
// string that was decoded, or of the configuration.
func appendJSON(dst []byte, prefix string, s []byte) []byte {
	dst = append(append(dst, '"'), prefix...)
	for _, ch := range s {
		switch {
		case ch == '"' || ch == '\\':
			dst = append(dst, '\\', ch)
		case ch < ' ':
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[ch>>4], "0123456789abcdef"[ch&15])
		default:
			dst = append(dst, ch)
		}
	}
	return append(dst, '"')
}
