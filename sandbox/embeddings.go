package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
)

// inputs is the list of texts to embed: a string, or an array of strings or of
// token lists.
func inputs(v any) []any {
	if list, ok := v.([]any); ok {
		if len(list) > 0 {
			if _, tokens := list[0].(float64); tokens { // one text, as tokens
				return []any{list}
			}
		}
		return list
	}
	return []any{v}
}

// vector makes a unit vector out of a text: the same one for the same text.
func vector(text any, dimensions any) []float32 {
	n := 8
	if d, ok := dimensions.(float64); ok && d >= 1 && d <= 4096 {
		n = int(d)
	}
	h := fnv.New64a()
	h.Write([]byte(str(text)))
	v, state, norm := make([]float32, n), h.Sum64(), 0.0
	for i := range v {
		state = state*6364136223846793005 + 1442695040888963407 // Knuth's MMIX generator
		v[i] = float32(int32(state>>32)) / math.MaxInt32
		norm += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(norm))
	}
	return v
}

// serveEmbeddings answers POST /v1/embeddings. OpenAI's SDKs ask for base64
// unless told otherwise: little-endian float32.
func serveEmbeddings(c *call) *apiError {
	data := []object{}
	list := inputs(c.doc["input"])
	for i, text := range list {
		v := vector(text, c.doc["dimensions"])
		var embedding any = v
		if c.doc["encoding_format"] == "base64" {
			var raw []byte
			for _, f := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
			}
			embedding = base64.StdEncoding.EncodeToString(raw)
		}
		data = append(data, object{"object": "embedding", "index": i, "embedding": embedding})
	}
	return c.ok(c.with("providerMetadata", object{
		"object": "list", "data": data, "model": c.out.model,
		"usage": object{"prompt_tokens": 2 * len(list), "total_tokens": 2 * len(list)},
	}))
}

// serveAIEmbedding answers the AI SDK's embedding kind. Packages 1.x and 2.x
// send input, later ones values.
func serveAIEmbedding(c *call) *apiError {
	v := c.doc["values"]
	if v == nil {
		v = c.doc["input"]
	}
	list := [][]float32{}
	for _, text := range inputs(v) {
		list = append(list, vector(text, c.doc["dimensions"]))
	}
	return c.ok(c.with("providerMetadata", object{
		"embeddings": list, "usage": object{"tokens": 2 * len(list)}, "warnings": []any{},
	}))
}

// ranking scores documents by place: a stand-in has no opinion.
func ranking(c *call, top, score string) []object {
	documents, _ := c.doc["documents"].([]any)
	if o, ok := c.doc["documents"].(object); ok { // the AI SDK: {"type":"text","values":[...]}
		documents, _ = o["values"].([]any)
	}
	n := len(documents)
	if limit, ok := c.doc[top].(float64); ok && limit >= 0 {
		n = min(n, int(limit))
	}
	list := []object{}
	for i := range n {
		list = append(list, object{"index": i, score: 1 / float64(i+1)})
	}
	return list
}

// serveRerank answers Cohere's POST /v1/rerank and /v2/rerank.
func serveRerank(c *call) *apiError {
	return c.ok(c.with("providerMetadata", object{
		"id": c.id, "results": ranking(c, "top_n", "relevance_score"),
		"meta": object{"api_version": object{"version": c.path[2:3]}, "billed_units": object{"search_units": 1}},
	}))
}

// serveAIReranking answers the AI SDK's reranking kind.
func serveAIReranking(c *call) *apiError {
	return c.ok(c.with("providerMetadata", object{"ranking": ranking(c, "topN", "relevanceScore"), "warnings": []any{}}))
}
