package credstore

import (
	"bytes"
	"reflect"
	"testing"
)

// Whatever is in the file: no panic, and what is accepted is written back as
// it was read.
func FuzzLocalFile(f *testing.F) {
	for _, seed := range []string{
		`{"format":1,"rev":3,"check":"AA==","chatbots":{}}`,
		`{"format":1,"rev":3,"check":"AA==","chatbots":{"bot":{"settings":{"account_id":"a","byok_enabled":true,"byoi":{"url":"u","ciphertext":"AQ=="},"version":2,"updated_at":"2026-01-02T03:04:05Z"},"keys":{"openai":{"ciphertext":"AQI=","hint":"abcd","version":9,"updated_at":"2026-01-02T03:04:05.6Z"},"groq":{"version":1,"updated_at":"2026-01-02T03:04:05Z"}}}}}`,
		`{"format":2,"rev":3,"check":"AA==","chatbots":{"bot":{"keys":{"openai":{"ciphertext":"AQI=","version":9,"updated_at":"2026-01-02T03:04:05.6Z"},"openai#2":{"version":1,"updated_at":"2026-01-02T03:04:05Z"}}}}}`,
		`{"format":1,"check":"AA==","chatbots":{"bot":{"keys":{"openai#2":{"version":1,"updated_at":"2026-01-02T03:04:05Z"}}}}}`,
		`{"format":3,"rev":3,"check":"AA==","chatbots":{"bot":{"settings":{"name":"Help","byok_enabled":true,"version":2,"updated_at":"2026-01-02T03:04:05Z"}},"gone":{"settings":{"byok_enabled":false,"deleted":true,"version":2,"updated_at":"2026-01-02T03:04:05Z"}}}}`,
		`{"format":2,"rev":3,"check":"AA==","chatbots":{"bot":{"settings":{"name":"Help","byok_enabled":true,"version":2,"updated_at":"2026-01-02T03:04:05Z"}}}}`,
		`{"format":2}`, `null`, `[]`, ``, `{"format":1,"chatbots":{"bot":null}}`, `{"format":1,"chatbots":{"b":{"keys":{"":null}}}}`, `{"FORMAT":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parseLocalFile(b, "f")
		if err != nil {
			return
		}
		written, err := file.encode()
		if err != nil {
			t.Skip("a time that JSON cannot say")
		}
		again, err := parseLocalFile(written, "f")
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if twice, err := again.encode(); err != nil || !bytes.Equal(twice, written) {
			t.Error("a record changed by being read and written")
		}
		for id := range file.Chatbots {
			if len(file.record(id).Keys) != len(again.record(id).Keys) || !reflect.DeepEqual(file.record(id).Settings == nil, again.record(id).Settings == nil) {
				t.Error("a record was lost by being read and written")
			}
		}
	})
}
