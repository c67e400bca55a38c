package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
)

// pixel is a PNG of one transparent pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

// count is the field n of a request, a number or a form field, within reason.
func (c *call) count() int {
	switch n := c.doc["n"].(type) {
	case float64:
		return min(max(int(n), 1), 10)
	case string:
		i, _ := strconv.Atoi(n)
		return min(max(i, 1), 10)
	}
	return 1
}

// serveImages answers POST /v1/images/generations and /v1/images/edits.
func serveImages(c *call) *apiError {
	data := []object{}
	for range c.count() {
		data = append(data, object{"b64_json": pixel})
	}
	return c.ok(c.with("providerMetadata", object{
		"created": c.started.Unix(), "data": data,
		"usage": object{"input_tokens": 5, "output_tokens": 10, "total_tokens": 15},
	}))
}

func serveAIImage(c *call) *apiError {
	images := []string{}
	for range c.count() {
		images = append(images, pixel)
	}
	o := object{
		"images": images, "warnings": []any{},
		"usage": object{"inputTokens": 5, "outputTokens": 10, "totalTokens": 15},
	}
	if m := c.meta(); m != nil {
		m["gateway"].(object)["images"] = []any{} // the SDK's schema for images looks for it
		o["providerMetadata"] = m
	}
	return c.ok(o)
}

func videos() []object {
	data := base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"))
	return []object{{"type": "base64", "data": data, "mediaType": "video/mp4"}}
}

// serveAIVideo answers a plain video call: an event stream with one result.
func serveAIVideo(c *call) *apiError {
	c.events().send("", c.with("providerMetadata", object{"type": "result", "videos": videos(), "warnings": []any{}}))
	return nil
}

func serveAIVideoStart(c *call) *apiError {
	return c.ok(c.with("providerMetadata", object{"operation": object{"id": c.id, "model": c.model}, "warnings": []any{}}))
}

// serveAIVideoStatus says completed at once: the start has been paid.
func serveAIVideoStatus(c *call) *apiError {
	if c.doc["operation"] == nil {
		return badRequest("operation is missing")
	}
	return c.ok(object{"status": "completed", "videos": videos(), "warnings": []any{}})
}

// silence is a WAV file of a tenth of a second, 8 kHz, 8 bit.
func silence() []byte {
	const n = 800
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], 36+n)
	b = append(b, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | 1<<16, 8000, 8000, 1 | 8<<16} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), n)
	for range n {
		b = append(b, 0x80)
	}
	return b
}

// serveSpeech answers POST /v1/audio/speech with bytes: the one paid reply
// that has no room for metadata. It is WAV whatever was asked for.
func serveSpeech(c *call) *apiError {
	wav := silence()
	c.w.Header().Set("Content-Type", "audio/wav")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(wav)))
	c.w.WriteHeader(http.StatusOK)
	c.w.Write(wav)
	return nil
}

func serveAISpeech(c *call) *apiError {
	return c.ok(c.with("providerMetadata", object{
		"audio": base64.StdEncoding.EncodeToString(silence()), "warnings": []any{},
	}))
}

// serveTranscription answers POST /v1/audio/transcriptions.
func serveTranscription(c *call) *apiError {
	text := c.reply().text
	switch {
	case c.stream:
		e := c.events()
		e.tokens(text, func(token string) {
			e.send("", object{"type": "transcript.text.delta", "delta": token})
		})
		e.send("", c.with("providerMetadata", object{"type": "transcript.text.done", "text": text}))
		e.done()
	case c.doc["response_format"] == "text":
		c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		c.w.Write([]byte(text + "\n"))
	default:
		return c.ok(c.with("providerMetadata", object{
			"text": text, "usage": object{"type": "duration", "seconds": 1},
		}))
	}
	return nil
}

func serveAITranscription(c *call) *apiError {
	text := c.reply().text
	return c.ok(c.with("providerMetadata", object{
		"text": text, "language": "en", "durationInSeconds": 1, "warnings": []any{},
		"segments": []object{{"text": text, "startSecond": 0, "endSecond": 1}},
	}))
}
