package detect

import (
	"bytes"

	"github.com/sidekey/sidekey/provider"
)

// Bare ids, without a prefix. The makers name their models in families, so the
// rules look at the first word of an id and know no versions: tomorrow's gpt-7
// is found by what gpt-4 was found. What they do look at is how open weights
// are named (sizes in billions, "instruct"), since those are served by many
// and mostly not by their maker.

// bare decides an id without a prefix. m is folded.
func bare(m []byte, marks mark) provider.Slug {
	if base, ok := cut(m, "ft:"); ok {
		return ofFineTune(base)
	}
	if marks&markDot != 0 {
		if bedrockDotted(m) {
			return provider.Bedrock
		}
		if contains(m, ".ft-") {
			return provider.Azure // gpt-4o-mini-2024-07-18.ft-0e208cf3: a tuned deployment
		}
	}
	if cloud := ofCloudSuffix(m, marks); cloud != "" {
		return cloud
	}
	if marks&markColon != 0 {
		name, tag, _ := cutByte(m, ':')
		if !variant(tag) {
			return "" // llama3:8b, mistral:latest, gpt-oss:20b-cloud: Ollama's
		}
		m = name
	}
	return family(m)
}

// ofFineTune decides ft:{base}:{org}:{suffix}:{id}, which OpenAI and Mistral
// use, by the base.
func ofFineTune(id []byte) provider.Slug {
	base, _, _ := cutByte(id, ':')
	switch slug := family(base); slug {
	case provider.OpenAI, provider.Mistral:
		return slug
	}
	return ""
}

// variant knows the suffixes by which OpenRouter names a way of serving the
// same model (openrouter.ai/docs, "model variants").
func variant(tag []byte) bool {
	switch string(tag) {
	case "free", "beta", "extended", "exacto", "thinking", "online", "nitro", "floor":
		return true
	}
	return false
}

// family goes by the first word, up to the first hyphen.
func family(m []byte) provider.Slug {
	hyphen := bytes.IndexByte(m, '-')
	if hyphen < 0 {
		return ofWord(m)
	}
	word, rest := m[:hyphen], m[hyphen+1:]
	if len(rest) == 0 {
		return ""
	}
	switch string(word) {
	case "gpt":
		return ofGPT(rest)
	case "chatgpt", "codex", "sora", "davinci", "babbage", "curie":
		return provider.OpenAI
	case "claude":
		return provider.Anthropic
	case "gemini", "imagen", "veo", "lyria", "learnlm":
		return provider.Google
	case "grok":
		return provider.XAI
	case "deepseek":
		return ofDeepSeek(rest)
	case "sonar", "pplx":
		return provider.Perplexity
	case "command", "c4ai":
		return provider.Cohere
	case "gemma":
		return ofGemma(rest)
	case "text":
		return ofText(rest)
	case "medlm", "chirp", "multimodalembedding", "imagegeneration", "imagetext":
		return provider.Vertex
	}
	if slug := ofPair(word, rest); slug != "" {
		return slug
	}
	if slug := ofMistral(word, rest); slug != "" {
		return slug
	}
	return ofOther(word, rest)
}

// ofWord knows the ids that are one word.
func ofWord(m []byte) provider.Slug {
	switch string(m) {
	case "davinci", "curie", "babbage", "ada":
		return provider.OpenAI
	case "sonar":
		return provider.Perplexity
	case "command":
		return provider.Cohere
	case "aqa":
		return provider.Google
	case "chirp", "chirp_2", "chirp_3", "multimodalembedding", "imagetext":
		return provider.Vertex
	}
	if stral(m) {
		return provider.Mistral
	}
	return only(reasoning(m), provider.OpenAI)
}

// ofPair knows the families whose name needs more than its first word.
func ofPair(word, rest []byte) provider.Slug {
	switch string(word) {
	case "dall":
		return only(starts(rest, "e-"), provider.OpenAI)
	case "computer":
		return only(starts(rest, "use-preview"), provider.OpenAI)
	case "omni":
		return only(starts(rest, "moderation"), provider.OpenAI)
	case "tts":
		return only(isDigit(rest[0]), provider.OpenAI)
	case "whisper":
		if starts(rest, "large") {
			return provider.Groq // the published weights; OpenAI's own is whisper-1
		}
		return only(isDigit(rest[0]), provider.OpenAI)
	case "code":
		if starts(rest, "bison") || starts(rest, "gecko") {
			return provider.Vertex
		}
		return only(starts(rest, "davinci-") || starts(rest, "cushman-"), provider.OpenAI)
	case "chat", "codechat":
		if string(rest) == "bison-001" {
			return provider.Google // the PaLM API's spelling; Vertex has bison@001
		}
		return only(starts(rest, "bison"), provider.Vertex)
	case "textembedding":
		return only(starts(rest, "gecko"), provider.Vertex)
	case "semantic":
		return only(starts(rest, "ranker-"), provider.Vertex)
	case "virtual":
		return only(starts(rest, "try-on"), provider.Vertex)
	case "nano":
		return only(starts(rest, "banana"), provider.Google)
	case "deep":
		return only(starts(rest, "research-"), provider.Google)
	case "embedding":
		return only(isDigit(rest[0]) || starts(rest, "gecko"), provider.Google)
	case "embed":
		return only(starts(rest, "english-") || starts(rest, "multilingual-") || version(rest), provider.Cohere)
	case "rerank":
		if isDigit(rest[0]) || starts(rest, "lite-") {
			return voyage
		}
		return only(starts(rest, "english-") || starts(rest, "multilingual-") || version(rest), provider.Cohere)
	case "r1":
		return only(string(rest) == "1776", provider.Perplexity)
	}
	return only(reasoning(word), provider.OpenAI)
}

func only(ok bool, slug provider.Slug) provider.Slug {
	if ok {
		return slug
	}
	return ""
}

// reasoning knows OpenAI's o-series: o1, o3, o4 and those to come.
func reasoning(word []byte) bool {
	return (len(word) == 2 || len(word) == 3) && word[0] == 'o' && number(word[1:]) > 0
}

// version says that b begins with v and a digit.
func version(b []byte) bool { return len(b) > 1 && b[0] == 'v' && isDigit(b[1]) }

// number reads b as a whole number of up to four digits, -1 if it is none.
func number(b []byte) int {
	if len(b) == 0 || len(b) > 4 {
		return -1
	}
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
