package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// FuzzKMSDecrypt: whatever the ciphertext, Decrypt does not panic, and opens
// only what was sealed. Keys differ in every process, so the input is both
// tried as it is and laid over a real ciphertext as a mask.
func FuzzKMSDecrypt(f *testing.F) {
	k, err := NewKMS(KMSConfig{Aliases: []string{testAlias}})
	if err != nil {
		f.Fatal(err)
	}
	key, err := k.state.at(k.now()).find(testAlias)
	if err != nil {
		f.Fatal(err)
	}
	sealed := key.seal([]byte(kmsSecret), nil)
	f.Add([]byte{}, 0)
	f.Add([]byte{}, -1)
	f.Add([]byte{0, 1}, 0)
	f.Add(slices.Repeat([]byte{0xff}, sealHeader), 3)
	f.Add(append([]byte{sealVersion}, make([]byte, 64)...), 1)
	f.Fuzz(func(t *testing.T, input []byte, grow int) {
		masked := slices.Clone(sealed)
		for i := range min(len(input), len(masked)) {
			masked[i] ^= input[i]
		}
		if grow < 0 {
			masked = masked[:max(0, len(masked)+max(grow, -len(masked)))]
		} else {
			masked = append(masked, make([]byte, min(grow, 64))...)
		}
		for _, blob := range [][]byte{input, masked} {
			body, _ := json.Marshal(object{"CiphertextBlob": blob})
			status, reply := rawKMS(t, k, "Decrypt", string(body))
			genuine := slices.Equal(blob, sealed)
			switch {
			case genuine != (status == 200):
				t.Fatalf("status %d, genuine %v", status, genuine)
			case !genuine && !strings.Contains(reply, "InvalidCiphertextException") && !strings.Contains(reply, "ValidationException"):
				t.Fatalf("another refusal of %d bytes", len(blob))
			}
		}
	})
}
