package detect

import (
	"bytes"

	"github.com/sidekey/sidekey/provider"
)

// The families that mix a maker's own service with open weights that others
// serve. word is the first word of an id, rest what follows its hyphen.

// ofGPT keeps out the models that are GPT by name only, and the ids that only
// Azure writes so.
func ofGPT(rest []byte) provider.Slug {
	first, _, _ := cutByte(rest, '-')
	switch string(first) {
	case "oss", "j", "neo", "neox", "sw3", "2", "4all":
		return "" // weights without a service of OpenAI's
	case "35":
		return provider.Azure // gpt-35-turbo: a deployment's name takes no dot
	}
	return provider.OpenAI
}

// ofDeepSeek knows the ids of DeepSeek's own service: chat, reasoner, coder
// and the like, and versions from v4 and r2 on, before which its service had
// no ids with a version. Distillations, sizes and "instruct" are weights.
func ofDeepSeek(rest []byte) provider.Slug {
	if starts(rest, "r1-distill-") {
		return provider.Groq
	}
	if contains(rest, "distill") || openWeights(rest) {
		return ""
	}
	first, _, more := cutByte(rest, '-')
	switch string(first) {
	case "chat", "reasoner", "flash", "pro":
		return provider.DeepSeek
	case "coder":
		return only(!more, provider.DeepSeek) // deepseek-coder-v2-lite-base: weights
	}
	major, _, _ := cutByte(first, '.')
	if len(major) < 2 {
		return ""
	}
	n := number(major[1:])
	return only(major[0] == 'v' && n >= 4 || major[0] == 'r' && n >= 2, provider.DeepSeek)
}

// ofGemma knows the Gemma models of the Gemini API: from the third generation
// on, tuned for instructions ("it"). gemma-7b-it is Groq's, gemma-4-31b
// Cerebras'.
func ofGemma(rest []byte) provider.Slug {
	generation, size, _ := cutByte(rest, '-')
	generation = bytes.TrimSuffix(generation, []byte("n")) // gemma-3n-e4b-it
	n := number(generation)
	return only(n == 3 || n > 3 && segment(size, "it"), provider.Google)
}

// ofMistral knows the words that end in -stral, with their cousins mixtral,
// pixtral and voxtral, also behind open- and labs-.
func ofMistral(word, rest []byte) provider.Slug {
	switch string(word) {
	case "open", "labs":
		inner, _, _ := cutByte(rest, '-')
		return only(stral(inner), provider.Mistral)
	case "ministral", "pixtral":
		// Named by size by Mistral itself; "instruct" marks the weights.
		return only(!segment(rest, "instruct"), provider.Mistral)
	case "mixtral":
		if longContext(rest) {
			return provider.Groq
		}
	}
	return only(stral(word) && !openWeights(rest), provider.Mistral)
}

func stral(word []byte) bool {
	switch string(word) {
	case "astral", "austral":
		return false // plain words
	}
	return (ends(word, "stral") || ends(word, "xtral")) && isWord(word)
}

// ofText sorts out text-..., which five makers use.
func ofText(rest []byte) provider.Slug {
	embedding, ok := cut(rest, "embedding-")
	if !ok {
		first, _, _ := cutByte(rest, '-')
		switch string(first) {
		case "moderation", "davinci", "curie", "babbage", "ada", "similarity", "search":
			return provider.OpenAI
		case "bison", "bison32k", "unicorn", "multilingual":
			if string(rest) == "bison-001" {
				return provider.Google // the PaLM API's spelling
			}
			return provider.Vertex
		}
		return ""
	}
	first, _, _ := cutByte(embedding, '-')
	switch n := number(first); {
	case version(first):
		return alibaba // text-embedding-v4
	case string(first) == "ada", n >= 0 && len(first) < 3:
		return provider.OpenAI // text-embedding-3-large
	case len(first) == 3 && n >= 0 && n <= 4:
		return provider.Google // text-embedding-004; 005 never came to the Gemini API
	case len(first) == 3 && n > 4, string(first) == "preview", string(first) == "large":
		return provider.Vertex
	}
	return ""
}

// ofOther knows the rest of the provider table.
func ofOther(word, rest []byte) provider.Slug {
	switch string(word) {
	case "llama":
		if segment(rest, "sonar") {
			return provider.Perplexity // llama-3.1-sonar-large-128k-online
		}
		return only(ends(rest, "-versatile") || ends(rest, "-instant"), provider.Groq)
	case "gemma2", "distil":
		return only(string(word) == "gemma2" || starts(rest, "whisper-"), provider.Groq)
	case "kimi", "moonshot":
		return moonshot
	case "glm":
		return zai
	case "minimax":
		return minimax
	case "mimo":
		return xiaomi
	case "voyage":
		return voyage
	case "morph":
		return morph
	case "mercury":
		return inception
	case "step":
		return only(isDigit(rest[0]), stepfun)
	case "qwen":
		// qwen-plus is Alibaba's; qwen-2.5-32b and qwen-3-... other hosts'.
		return only(!isDigit(rest[0]) && !openWeights(rest), alibaba)
	case "qwq", "qvq":
		return only(!openWeights(rest), alibaba)
	}
	switch {
	case starts(word, "qwen") && isDigit(word[4]), // the word is longer than qwen, see above
		starts(word, "wan") && len(word) > 3 && isDigit(word[3]):
		return alibaba
	case starts(word, "llama") && longContext(rest):
		return provider.Groq
	}
	return ""
}

// longContext knows Groq's early ids, which end in the size of the context.
func longContext(rest []byte) bool { return ends(rest, "-8192") || ends(rest, "-32768") }

// openWeights says that an id is named as published weights are: by a size in
// billions (7b, 8x22b, 6.7b) or as tuned for instructions.
func openWeights(rest []byte) bool {
	for len(rest) > 0 {
		var s []byte
		s, rest, _ = cutByte(rest, '-')
		if string(s) == "instruct" || size(s) {
			return true
		}
	}
	return false
}

// size says that s is a number of parameters: digits, with an x or a dot
// within, and a b at the end.
func size(s []byte) bool {
	if len(s) < 2 || s[len(s)-1] != 'b' || !isDigit(s[0]) {
		return false
	}
	for _, c := range s[:len(s)-1] {
		if !isDigit(c) && c != 'x' && c != '.' {
			return false
		}
	}
	return true
}

// countsExperts says that one of the parts between hyphens is a number of
// experts: 16e, 128e.
func countsExperts(rest []byte) bool {
	for len(rest) > 0 {
		var s []byte
		s, rest, _ = cutByte(rest, '-')
		if len(s) > 1 && s[len(s)-1] == 'e' && number(s[:len(s)-1]) > 0 {
			return true
		}
	}
	return false
}

// segment says that one of the parts between hyphens is name.
func segment(rest []byte, name string) bool {
	for len(rest) > 0 {
		var s []byte
		s, rest, _ = cutByte(rest, '-')
		if string(s) == name {
			return true
		}
	}
	return false
}
