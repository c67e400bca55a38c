package credstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/sidekey/sidekey/provider"
)

// A Record is all that is stored for one chatbot.
type Record struct {
	Chatbot  string
	Settings *Settings   // nil: there are none, and then there should be no keys
	Keys     []KeyRecord // at most one for each provider and slot, deleted ones included

	// Confirmed is when the store itself last vouched for this state. Zero
	// means now. A store that serves from a copy it can no longer check says
	// here how old the copy is, and the Cache's limits count from there.
	Confirmed time.Time
}

// Settings are what holds for a chatbot as a whole: item "settings".
type Settings struct {
	AccountID   string
	Name        string // the owner's own words; "": it goes by its id
	BYOKEnabled bool
	BYOI        *BYOI // nil: none
	// Deleted: the chatbot was removed, and only this mark is left of it. As for
	// a key, the mark keeps the version. It has no account, no name and no
	// endpoint, and BYOK is off: its requests are those of a chatbot of which
	// nothing is stored.
	Deleted   bool
	Version   int64 // grows with every write
	UpdatedAt time.Time

	later attributes
}

// BYOI is the owner's own inference endpoint: item "settings", field byoi.
type BYOI struct {
	URL        string
	AuthHeader string // "" means "Authorization: Bearer"
	Ciphertext []byte // sealed for item "settings"

	later attributes
}

// A KeyRecord is one stored provider credential: item "key#<slug>" or
// "key#<slug>#<slot>".
type KeyRecord struct {
	Item       string // KeyItem(Slug, Slot)
	Slug       provider.Slug
	Slot       int    // 1 to MaxSlots, in the order in which they are tried; 0 is 1
	Ciphertext []byte // empty: the key was deleted, see Deleted
	Hint       string // last four characters of the key
	Label      string // the owner's own words
	KMSKey     string // what sealed it, where the cipher has names for that
	Version    int64  // grows with every write, also across delete and set
	CreatedAt  time.Time
	UpdatedAt  time.Time
	TestedAt   time.Time // zero: never
	TestResult string    // one of provider's verdicts

	later attributes
}

// Deleted reports whether this is only the mark that a key leaves behind. The
// mark keeps the version, so that a key stored later has a higher one: the
// billing guard remembers failures by version, and an older version that
// turns up again must be recognised as a replay.
func (k *KeyRecord) Deleted() bool { return len(k.Ciphertext) == 0 }

// version is 0 where there is no key.
func (k *KeyRecord) version() int64 {
	if k == nil {
		return 0
	}
	return k.Version
}

// live returns the settings of a chatbot that is there, nil if it is not, or
// was removed.
func (r *Record) live() *Settings {
	if r.Settings == nil || r.Settings.Deleted {
		return nil
	}
	return r.Settings
}

// settingsVersion is that of the settings or of their mark, 0 without either.
func (r *Record) settingsVersion() int64 {
	if r.Settings == nil {
		return 0
	}
	return r.Settings.Version
}

// SettingsItem is the item name of the settings.
const SettingsItem = "settings"

// maxID is how long an id may be, in bytes.
const maxID = 128

// ValidID reports whether s can be a chatbot or account id:
// [A-Za-z0-9._:-]{1,128}.
func ValidID(s string) bool { return len(s) <= maxID && madeOf(s, letters+digits+"._:-") }

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz"
)

// madeOf reports whether s has at least one character and none that is not in
// the alphabet. A regular expression would be compiled at every start.
func madeOf(s, alphabet string) bool { return s != "" && strings.Trim(s, alphabet) == "" }

// checkID explains a bad id without repeating it in full.
func checkID(what, s string) error {
	if ValidID(s) {
		return nil
	}
	return fmt.Errorf("%w: %s id %.40q: write 1 to 128 of the characters A-Z a-z 0-9 . _ : -", ErrInvalid, what, s)
}
