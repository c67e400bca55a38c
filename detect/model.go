package detect

import (
	"bytes"

	"github.com/sidekey/sidekey/provider"
)

// MaxModel is the longest model id that is looked at, in bytes. The longest in
// real use are AWS resource names of about 150.
const MaxModel = 512

// virtualPrefix marks a model whose real name only the gateway knows.
const virtualPrefix = "vmc/"

// Provider returns the slug under which the owner's key for a model is stored,
// empty if none is known. In this order:
//
//  1. virtual models (vmc/...) have none, whatever the rules say: what the
//     gateway has stored for them overrides the pinning of the owner's key;
//  2. the operator's rules;
//  3. the prefix form creator/model (this file);
//  4. the shapes of ids on the clouds (cloud.go);
//  5. the families of bare names (family.go).
//
// ASCII case does not matter and white space around the id is ignored; an id
// with white space or control bytes within has no provider. A wrong slug means
// that the wrong account pays, so what two accounts could serve has none.
//
// Hot path: no allocation. Safe for concurrent use.
func (d *Detector) Provider(model []byte) provider.Slug {
	// Clearing the large buffer would cost more than all the rest.
	if len(model) <= shortModel {
		var buf [shortModel]byte
		return d.provider(fold(buf[:], model))
	}
	var buf [MaxModel]byte
	return d.provider(fold(buf[:], model))
}

// shortModel is longer than nearly every id that is in use.
const shortModel = 64

func (d *Detector) provider(m []byte, marks mark) provider.Slug {
	if marks&markBad != 0 || virtual(m) {
		return ""
	}
	for i := range d.rules {
		if d.rules[i].match(m) {
			return d.rules[i].slug
		}
	}
	return owner(m, marks)
}

// Virtual says that a model is one of the gateway's virtual models, behind
// which any provider may stand.
func Virtual(model []byte) bool {
	var buf [MaxModel]byte
	m, marks := fold(buf[:], model)
	return marks&markBad == 0 && virtual(m)
}

func virtual(m []byte) bool {
	return len(m) > 0 && m[0] == 'v' && starts(withoutGateway(m), virtualPrefix)
}

// withoutGateway removes the prefix by which LiteLLM sends an id to the
// gateway itself.
func withoutGateway(m []byte) []byte {
	for starts(m, "vercel_ai_gateway/") {
		m = m[len("vercel_ai_gateway/"):]
	}
	return m
}

// owner applies what is known of ids in general. m is folded.
func owner(m []byte, marks mark) provider.Slug {
	m = withoutGateway(m)
	if marks&markColon != 0 && starts(m, "arn:") {
		return ofARN(m)
	}
	if marks&markSlash == 0 || starts(m, "ft:") {
		return bare(m, marks)
	}
	slash := bytes.IndexByte(m, '/')
	if slash < 0 {
		return bare(m, marks) // the slash was the gateway's
	}
	creator, rest := m[:slash], m[slash+1:]
	if len(rest) == 0 || rest[0] == '/' {
		return ""
	}
	switch string(creator) {
	case "models", "tunedmodels": // the resource names of the Gemini API
		return provider.Google
	case "publishers", "projects":
		return ofVertexPath(m)
	case "accounts": // accounts/{account}/models/{model}
		if contains(rest, "/models/") || contains(rest, "/deployments/") || contains(rest, "/routers/") {
			return fireworks
		}
		return ""
	}
	return ofCreator(creator, rest, marks)
}

// ofCreator decides a creator/model or host/model id. What a host serves is
// the host's, whoever made it (groq/openai/gpt-oss-20b). What a creator is
// named for is the creator's, but for ids that only others serve.
func ofCreator(creator, rest []byte, marks mark) provider.Slug {
	slug := spelling(creator)
	switch slug {
	case "":
		// Unknown, but Vertex serves others' models under their makers' names.
		if ends(rest, "-maas") && bytes.IndexByte(rest, '/') < 0 {
			return provider.Vertex
		}
		return ""
	case provider.OpenAI, provider.Anthropic, provider.Google, provider.Mistral, provider.XAI,
		provider.DeepSeek, provider.Cohere, meta, alibaba, zai, moonshot, minimax:
		if cloud := ofCloudSuffix(rest, marks); cloud != "" {
			return cloud
		}
	default:
		return slug
	}
	switch {
	case slug == provider.OpenAI && (starts(rest, "gpt-oss") || starts(rest, "whisper-large")):
		return "" // weights that OpenAI publishes and does not serve
	case slug == provider.DeepSeek && contains(rest, "distill"):
		return "" // small models that others make of DeepSeek's answers and serve
	case string(creator) == "meta-llama" && (countsExperts(rest) || starts(rest, "llama-prompt-guard")):
		return provider.Groq // under whose own ids no other provider lists them
	}
	return slug
}

// WithoutPrefix returns the id by which the provider itself knows a model: what
// stands behind "creator/" if that names the provider, else the model as it is.
// Other prefixes stay, since they are a part of the provider's own ids
// (accounts/fireworks/models/..., openai/gpt-oss-20b on groq). The result
// aliases model. Nothing is allocated.
func WithoutPrefix(model []byte, slug provider.Slug) []byte {
	for rest := bytes.TrimSpace(model); ; {
		var buf [maxSpelling]byte
		slash := bytes.IndexByte(rest, '/')
		if slash <= 0 || slash > len(buf) || slash == len(rest)-1 {
			return model
		}
		prefix, _ := fold(buf[:], rest[:slash])
		rest = rest[slash+1:]
		if spelling(prefix) == slug {
			return rest
		}
		if string(prefix) != "vercel_ai_gateway" {
			return model
		}
		model = rest
	}
}

func starts(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

func ends(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && string(b[len(b)-len(suffix):]) == suffix
}

// cutByte is bytes.Cut at one byte.
func cutByte(b []byte, sep byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

// contains allocates nothing for parts of up to 32 bytes.
func contains(b []byte, part string) bool { return bytes.Contains(b, []byte(part)) }
