package proxy

// A usage is what a reply says about the tokens that it took. A judge notes it
// on its way, in each of the forms in which providers say it:
//
//	usage            of the root: OpenAI's chat (a last event of its own),
//	                 embeddings, images; Anthropic's; the AI SDK's
//	response.usage   OpenAI's Responses, in response.completed
//	message.usage    Anthropic, in message_start; message_delta has the rest
//	usageMetadata    Gemini, in each part
//
// Counts within a reply only ever grow (each event has the sum so far), so the
// highest of each counts.
type usage [tokenCounts]int64

// The counts that replies have. Some providers count what was cached as part
// of the input, Anthropic beside it.
const (
	countInput = iota
	countOutput
	countCached    // part of the input
	countReasoning // part of the output
	countCacheRead // beside the input
	countCacheWrite
	countToolInput
	countThoughts // beside the output
	tokenCounts
)

func token(count int) spot { return atTokens + spot(count) }

// count is the spot of a member of usage, or of an object inside it.
func (at spot) count(name []byte) spot {
	switch at {
	case atUsage:
		switch string(name) {
		case "prompt_tokens", "input_tokens", "promptTokenCount", "tokens":
			return token(countInput)
		case "completion_tokens", "output_tokens", "candidatesTokenCount":
			return token(countOutput)
		case "inputTokens":
			return atCountIn
		case "outputTokens":
			return atCountOut
		case "cachedInputTokens", "cachedContentTokenCount":
			return token(countCached)
		case "reasoningTokens":
			return token(countReasoning)
		case "cache_read_input_tokens":
			return token(countCacheRead)
		case "cache_creation_input_tokens":
			return token(countCacheWrite)
		case "toolUsePromptTokenCount":
			return token(countToolInput)
		case "thoughtsTokenCount":
			return token(countThoughts)
		case "prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details":
			return atCountParts
		}
	case atCountParts:
		switch string(name) {
		case "cached_tokens":
			return token(countCached)
		case "reasoning_tokens":
			return token(countReasoning)
		}
	case atCountIn:
		switch string(name) {
		case "total":
			return token(countInput)
		case "cacheRead":
			return token(countCached)
		}
	case atCountOut:
		switch string(name) {
		case "total":
			return token(countOutput)
		case "reasoning":
			return token(countReasoning)
		}
	}
	return nowhere
}

// counted reports whether a number that stands there is a count.
func (at spot) counted() bool { return at >= atTokens || at == atCountIn || at == atCountOut }

// maxTokenDigits bounds a count: no reply has a billion tokens, and what claims
// so must not spoil the sums.
const maxTokenDigits = 9

// note takes a number. What is no whole one is none.
func (u *usage) note(at spot, s []byte) {
	if len(s) > maxTokenDigits {
		return
	}
	var n int64
	for _, c := range s {
		if c < '0' || c > '9' {
			return
		}
		n = 10*n + int64(c-'0')
	}
	count := int(at) - int(atTokens)
	switch at {
	case atCountIn:
		count = countInput
	case atCountOut:
		count = countOutput
	}
	u[count] = max(u[count], n)
}

// Tokens are the tokens of replies, in one way of counting: Cached and CacheWrite
// are parts of Input, Reasoning of Output.
type Tokens struct{ Input, Output, Cached, CacheWrite, Reasoning int64 }

func (u *usage) tokens() Tokens {
	return Tokens{
		Input:      u[countInput] + u[countCacheRead] + u[countCacheWrite] + u[countToolInput],
		Output:     u[countOutput] + u[countThoughts],
		Cached:     max(u[countCached], u[countCacheRead]),
		CacheWrite: u[countCacheWrite],
		Reasoning:  max(u[countReasoning], u[countThoughts]),
	}
}

// Any reports whether there is a count at all.
func (t Tokens) Any() bool { return t != Tokens{} }

func (t *Tokens) add(more *Tokens) {
	t.Input += more.Input
	t.Output += more.Output
	t.Cached += more.Cached
	t.CacheWrite += more.CacheWrite
	t.Reasoning += more.Reasoning
}
