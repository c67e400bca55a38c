package credstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// localFormat is the newest version of the file's form. It changes when a
// reader of the old form would misread the new one.
//
// Format 2 may hold several keys of a provider. A reader of format 1 would take
// "openai#2" for a provider of that name: an owner whose first key is deleted
// would look like one without a key, and the platform would pay. A file is
// written in the lowest format that can say what is in it, so whoever stores
// no second key can still go back to an older sidekey.
//
// Format 3 may hold names of chatbots and the marks of removed ones, of which a
// reader of format 2 says that it does not know them.
const (
	localFormat       = 3
	formatSeveralKeys = 2
	formatOneKey      = 1
)

// localTable names local stores in the encryption context. It need not tell
// one from another: each has its own keyset.
const localTable = "local"

// A localFile is the records file as it is written, in JSON.
type localFile struct {
	Format   int                      `json:"format"`
	Rev      int64                    `json:"rev"`   // one more with every write
	Check    []byte                   `json:"check"` // sealed with the keyset, see checkContext
	Chatbots map[string]*localChatbot `json:"chatbots"`
}

type localChatbot struct {
	Settings *localSettings       `json:"settings,omitempty"`
	Keys     map[string]*localKey `json:"keys,omitempty"` // by item, without keyPrefix: "openai", "openai#2"
}

type localSettings struct {
	AccountID   string     `json:"account_id,omitempty"`
	Name        string     `json:"name,omitempty"`
	BYOKEnabled bool       `json:"byok_enabled"`
	BYOI        *localBYOI `json:"byoi,omitempty"`
	Deleted     bool       `json:"deleted,omitempty"`
	Version     int64      `json:"version"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

type localBYOI struct {
	URL        string `json:"url"`
	AuthHeader string `json:"auth_header,omitempty"`
	Ciphertext []byte `json:"ciphertext"`
}

type localKey struct {
	Ciphertext []byte    `json:"ciphertext,omitempty"` // none: deleted
	Hint       string    `json:"hint,omitempty"`
	Label      string    `json:"label,omitempty"`
	KMSKey     string    `json:"kms_key,omitempty"`
	Version    int64     `json:"version"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
	UpdatedAt  time.Time `json:"updated_at"`
	TestedAt   time.Time `json:"tested_at,omitzero"`
	TestResult string    `json:"test_result,omitempty"`
}

// checkContext binds the check value, by which a foreign keyset is noticed
// when the store is opened and not when the first key is needed.
func checkContext() map[string]string { return sealContext(localTable, "", "check") }

const checkWord = "sidekey"

func newLocalFile(c Cipher) (*localFile, error) {
	check, err := c.Encrypt(context.Background(), []byte(checkWord), checkContext())
	if err != nil {
		return nil, err
	}
	return &localFile{Check: check, Chatbots: map[string]*localChatbot{}}, nil
}

// fits tells whether the keyset is that of the file.
func (f *localFile) fits(c Cipher, path, keyset string) error {
	if word, err := c.Decrypt(context.Background(), f.Check, checkContext()); err != nil || string(word) != checkWord {
		return fmt.Errorf("%s is not the keyset with which %s was sealed: put the right one there", keyset, path)
	}
	return nil
}

func (f *localFile) encode() ([]byte, error) {
	f.Format = f.lowestFormat()
	b, err := json.MarshalIndent(f, "", " ")
	return append(b, '\n'), err
}

func (f *localFile) lowestFormat() int {
	lowest := formatOneKey
	for _, c := range f.Chatbots {
		if c == nil {
			continue // check refuses it
		}
		if s := c.Settings; s != nil && (s.Name != "" || s.Deleted) {
			return localFormat
		}
		for name := range c.Keys {
			if _, slot, _ := parseKeyItem(keyPrefix + name); slot > 1 {
				lowest = formatSeveralKeys
			}
		}
	}
	return lowest
}

// parseLocalFile reads the file's bytes strictly: what it does not understand
// it would lose at the next write.
func parseLocalFile(b []byte, path string) (*localFile, error) {
	var head struct{ Format int }
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%s is truncated or damaged: restore it from a backup: %w", path, err)
	}
	if head.Format > localFormat {
		return nil, fmt.Errorf("%s has format %d and this sidekey knows up to %d: use the newer sidekey that wrote it",
			path, head.Format, localFormat)
	}
	if head.Format < 1 {
		return nil, fmt.Errorf("%s is no sidekey records file: it has no format number; look at store.local.dir", path)
	}
	f := new(localFile)
	if err := strictJSON(b, f); err != nil {
		return nil, fmt.Errorf("%s does not have the form of its format %d: restore it from a backup: %w", path, head.Format, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%s: %w: restore it from a backup", path, err)
	}
	return f, nil
}

// check refuses what no writer of ours leaves behind.
func (f *localFile) check() error {
	if f.Chatbots == nil || f.Rev < 0 {
		return errors.New("chatbots or rev missing")
	}
	if lowest := f.lowestFormat(); f.Format < lowest {
		return fmt.Errorf("it holds what is said in format %d only", lowest)
	}
	for id, c := range f.Chatbots {
		if !ValidID(id) || c == nil {
			return fmt.Errorf("chatbot %.40q is not a record", id)
		}
		if c.Settings != nil && c.Settings.Version < 1 {
			return fmt.Errorf("settings of chatbot %s have no version", id)
		}
		for name, k := range c.Keys {
			if _, _, ok := parseKeyItem(keyPrefix + name); !ok || k == nil || k.Version < 1 {
				return fmt.Errorf("key %.40q of chatbot %s is not a record", name, id)
			}
		}
	}
	return nil
}

// record returns what is stored for a chatbot. It shares the ciphertexts.
func (f *localFile) record(chatbot string) *Record {
	rec := &Record{Chatbot: chatbot}
	c := f.Chatbots[chatbot]
	if c == nil {
		return rec
	}
	if s := c.Settings; s != nil {
		rec.Settings = &Settings{AccountID: s.AccountID, Name: s.Name, BYOKEnabled: s.BYOKEnabled,
			BYOI: s.BYOI.own(), Deleted: s.Deleted, Version: s.Version, UpdatedAt: s.UpdatedAt}
	}
	for name, k := range c.Keys {
		slug, slot, _ := parseKeyItem(keyPrefix + name) // check has seen it
		rec.Keys = append(rec.Keys, KeyRecord{Item: keyPrefix + name, Slug: slug, Slot: slot, Ciphertext: k.Ciphertext,
			Hint: k.Hint, Label: k.Label, KMSKey: k.KMSKey, Version: k.Version,
			CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, TestedAt: k.TestedAt, TestResult: k.TestResult})
	}
	return rec
}

// chatbot returns the chatbot's place in the file, which it makes if need be.
func (f *localFile) chatbot(id string) *localChatbot {
	c := f.Chatbots[id]
	if c == nil {
		c = &localChatbot{}
		f.Chatbots[id] = c
	}
	return c
}

func toLocalSettings(s *Settings) *localSettings {
	return &localSettings{AccountID: s.AccountID, Name: s.Name, BYOKEnabled: s.BYOKEnabled,
		BYOI: toLocalBYOI(s.BYOI), Deleted: s.Deleted, Version: s.Version, UpdatedAt: s.UpdatedAt.UTC()}
}

func toLocalBYOI(b *BYOI) *localBYOI {
	if b == nil {
		return nil
	}
	return &localBYOI{b.URL, b.AuthHeader, b.Ciphertext}
}

func (b *localBYOI) own() *BYOI {
	if b == nil {
		return nil
	}
	return &BYOI{URL: b.URL, AuthHeader: b.AuthHeader, Ciphertext: b.Ciphertext}
}

func toLocalKey(k *KeyRecord) *localKey {
	return &localKey{Ciphertext: k.Ciphertext, Hint: k.Hint, Label: k.Label, KMSKey: k.KMSKey, Version: k.Version,
		CreatedAt: k.CreatedAt.UTC(), UpdatedAt: k.UpdatedAt.UTC(), TestedAt: k.TestedAt.UTC(), TestResult: k.TestResult}
}

// strictJSON decodes one JSON document without unknown fields and with nothing after it.
func strictJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON document")
	}
	return nil
}
