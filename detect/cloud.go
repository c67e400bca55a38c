package detect

import (
	"bytes"

	"github.com/sidekey/sidekey/provider"
)

// The shapes by which an id shows that it is meant for a cloud, whoever made
// the model (gateway-wire section 3).

// ofARN knows arn:{partition}:bedrock:{region}:{account}:{resource}.
func ofARN(m []byte) provider.Slug {
	_, rest, _ := cutByte(m, ':') // "arn"
	partition, rest, _ := cutByte(rest, ':')
	if starts(partition, "aws") && starts(rest, "bedrock:") {
		return provider.Bedrock
	}
	return ""
}

// ofVertexPath knows publishers/{p}/models/{m} and
// projects/{p}/locations/{l}/(publishers|endpoints)/...
func ofVertexPath(m []byte) provider.Slug {
	if starts(m, "publishers/") && contains(m, "/models/") ||
		starts(m, "projects/") && contains(m, "/locations/") {
		return provider.Vertex
	}
	return ""
}

// ofCloudSuffix knows the endings of which the creators' own ids have none:
// -v1:0 (Bedrock), @20250514 or @default and -maas, "model as a service"
// (Vertex).
func ofCloudSuffix(m []byte, marks mark) provider.Slug {
	switch {
	case ends(m, "-maas"), marks&markAt != 0 && vertexVersion(m):
		return provider.Vertex
	case marks&markColon != 0 && bedrockVersion(m):
		return provider.Bedrock
	}
	return ""
}

// vertexVersion says that m ends in @{version}: digits first, or an alias.
func vertexVersion(m []byte) bool {
	at := bytes.LastIndexByte(m, '@')
	if at <= 0 || at == len(m)-1 {
		return false
	}
	version := m[at+1:]
	return isDigit(version[0]) || string(version) == "default" || string(version) == "latest"
}

// bedrockVersion says that m ends in -v{N}:{M}.
func bedrockVersion(m []byte) bool {
	i := len(m)
	for i > 0 && isDigit(m[i-1]) {
		i--
	}
	if i == len(m) || i == 0 || m[i-1] != ':' {
		return false
	}
	i--
	end := i
	for i > 0 && isDigit(m[i-1]) {
		i--
	}
	return i < end && ends(m[:i], "-v")
}

// bedrockDotted knows {vendor}.{model}, and {region}.{vendor}.{model}, which
// names an inference profile. Behind a region any vendor will do: no other
// host writes ids so. Without one, only the vendors that Bedrock has, because
// "acme.chat" may be anybody's.
func bedrockDotted(m []byte) bool {
	first, rest, ok := cutByte(m, '.')
	if !ok || len(rest) == 0 {
		return false
	}
	switch string(first) {
	case "us", "eu", "apac", "jp", "au", "ca", "sa", "me", "il", "in", "uk", "global", "us-gov":
		vendor, model, ok := cutByte(rest, '.')
		return ok && len(model) > 0 && isWord(vendor)
	case "ai21", "amazon", "anthropic", "cohere", "deepseek", "luma", "meta", "minimax", "mistral",
		"moonshot", "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "zai":
		return isLetter(rest[0])
	case "google":
		return starts(rest, "gemma") // google.gemini-... is Oracle's spelling
	}
	return false
}

// isWord says that b is a name of letters and digits that begins with a letter.
func isWord(b []byte) bool {
	for _, c := range b {
		if !isLetter(c) && !isDigit(c) {
			return false
		}
	}
	return len(b) > 0 && isLetter(b[0])
}

// isLetter is for text in lower case.
func isLetter(c byte) bool { return c-'a' <= 'z'-'a' }
