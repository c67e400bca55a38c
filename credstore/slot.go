package credstore

import (
	"fmt"
	"strings"

	"github.com/sidekey/sidekey/provider"
)

// MaxSlots is how many keys an owner may store for one provider. The gateway
// tries them in the order of their slots, so more would only make a call that
// fails take longer, and all of them travel in every request's body.
const MaxSlots = 9

// keyPrefix begins the item names of keys. What follows is the key's name
// within its chatbot: "openai", or "openai#2".
const keyPrefix = "key#"

// KeyItem returns the item name of a provider's key: "key#openai" for the first
// slot, as it was before there were more, then "key#openai#2". Slot 0 is 1.
func KeyItem(slug provider.Slug, slot int) string {
	if slot <= 1 {
		return keyPrefix + string(slug)
	}
	return fmt.Sprintf("%s%s#%d", keyPrefix, slug, slot)
}

// parseKeyItem is the other way round. It accepts exactly what KeyItem makes:
// each key has one name, so that no two items are the same key. "key#openai#1",
// "key#openai#02" and "key#openai#10" are none, and whoever meets one must
// refuse the chatbot, for to skip it could be to skip the key that pays.
func parseKeyItem(item string) (slug provider.Slug, slot int, ok bool) {
	name, ok := strings.CutPrefix(item, keyPrefix)
	if !ok {
		return "", 0, false
	}
	name, number, several := strings.Cut(name, "#")
	slot = 1
	if several {
		if len(number) != 1 || number[0] < '2' || number[0] > '0'+MaxSlots {
			return "", 0, false
		}
		slot = int(number[0] - '0')
	}
	return provider.Slug(name), slot, name != ""
}

func checkSlot(slot int) error {
	if slot < 1 || slot > MaxSlots {
		return fmt.Errorf("%w: slot %d: a provider's keys are numbered from 1 to %d", ErrInvalid, slot, MaxSlots)
	}
	return nil
}
