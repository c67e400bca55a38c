package credstore

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// rowNames are the attributes that random rows have: ours and some that are not.
var rowNames = []string{"chatbot_id", "item", "version", "account_id", "byok_enabled", "byoi", "updated_at", "ciphertext", "hint", "label",
	"kms_key", "created_at", "tested_at", "test_result", "url", "auth_header", "Version", "later"}

// rowTexts are texts that lead somewhere.
var rowTexts = []string{"bot", "settings", "key#openai", "key#", "key#later", "audit#1", "acme", "2026-01-02T03:04:05Z",
	"2026-01-02T03:04:05.000000006+02:00", "9999-12-31T23:59:59-02:00", "0000-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "https://x.example", ""}

// A rowReader makes a row of bytes.
type rowReader struct{ b []byte }

func (r *rowReader) next() byte {
	if len(r.b) == 0 {
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *rowReader) take(n int) []byte {
	n = min(n, len(r.b))
	b := append([]byte{}, r.b[:n]...)
	r.b = r.b[n:]
	return b
}

func (r *rowReader) text() string {
	if c := int(r.next()); c < 200 {
		return rowTexts[c%len(rowTexts)]
	}
	return string(r.take(int(r.next())))
}

func (r *rowReader) number() string {
	if c := r.next(); c < 100 {
		return fmt.Sprint(int(c) - 20)
	}
	return string(r.take(int(r.next()) % 24))
}

func (r *rowReader) value(depth int) types.AttributeValue {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch int(r.next()) % kinds {
	case 0:
		return text(r.text())
	case 1:
		return &types.AttributeValueMemberN{Value: r.number()}
	case 2:
		return bin(r.take(int(r.next()))...)
	case 3:
		return yes(r.next()%2 == 0)
	case 4:
		return null
	case 5:
		return &types.AttributeValueMemberNS{Value: []string{r.number()}}
	case 6:
		return &types.AttributeValueMemberL{Value: []types.AttributeValue{r.value(depth - 1)}}
	}
	return inside(r.row(depth - 1))
}

func (r *rowReader) row(depth int) item {
	row := item{}
	for n := int(r.next()) % 16; n > 0; n-- {
		row[rowNames[int(r.next())%len(rowNames)]] = r.value(depth)
	}
	return row
}

// FuzzDynamoItem: whatever stands in a row, reading it does not panic; what is
// read of it is written so that it reads the same again; and a row of ours that
// was not read is an error, never a record with less in it.
func FuzzDynamoItem(f *testing.F) {
	f.Add([]byte{0}, byte(0))
	f.Add([]byte{4, 2, 1, 27, 7, 2, 2, 9, 9, 6, 0, 7, 5, 4}, byte(2))
	f.Add([]byte{4, 2, 1, 27, 4, 3, 0, 3, 0, 6, 5, 7, 2, 14, 0, 12, 7, 2, 1, 5}, byte(1))
	f.Add([]byte{5, 2, 1, 27, 4, 3, 1, 17, 0, 6, 6, 0, 8, 16, 1, 29}, byte(1))
	f.Fuzz(func(t *testing.T, b []byte, name byte) {
		row := (&rowReader{b}).row(3)
		row["chatbot_id"] = text("bot")
		if int(name) < len(rowTexts) {
			row["item"] = text(rowTexts[name])
		}
		rec := &Record{Chatbot: "bot"}
		if err := rec.add(row); err != nil {
			if isOutage(err) || rec.Settings != nil || rec.Keys != nil {
				t.Fatalf("an error that is no plain answer: %v, %+v", err, rec)
			}
			return
		}
		written, ours := rewrite(t, rec)
		if !ours {
			return
		}
		again := &Record{Chatbot: "bot"}
		if err := again.add(written); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice, _ := rewrite(t, again); !reflect.DeepEqual(written, twice) {
			t.Fatalf("it reads differently:\n%v\n%v", written, twice)
		}
		if k, ok := row["ciphertext"].(*types.AttributeValueMemberB); ok && len(rec.Keys) == 1 && string(rec.Keys[0].Ciphertext) != string(k.Value) {
			t.Fatal("the ciphertext is another one")
		}
		for name := range row {
			if _, kept := written[name]; !kept && formOf(row["item"].(*types.AttributeValueMemberS).Value)[name] == "" {
				t.Fatalf("%s was lost", name)
			}
		}
	})
}

// rewrite writes the one item of the record, if it has one.
func rewrite(t *testing.T, rec *Record) (row item, ours bool) {
	t.Helper()
	var of any
	switch {
	case rec.Settings != nil:
		of = settingsItem(rec.Chatbot, rec.Settings)
	case len(rec.Keys) == 1:
		of = keyItem(rec.Chatbot, &rec.Keys[0])
	default:
		return nil, false
	}
	row, err := marshalItem(of)
	if err != nil {
		t.Fatal(err)
	}
	return row, true
}
