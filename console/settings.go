package console

import (
	"strings"

	"github.com/sidekey/sidekey/credstore"
)

func (k *call) switchBYOK() (*reply, error) {
	id, version, err := k.target()
	if err != nil {
		return nil, err
	}
	var enabled *bool
	if err := k.read(map[string]any{"enabled": &enabled}); err != nil {
		return nil, err
	}
	if enabled == nil {
		return nil, invalid(fieldError{"enabled", "is missing; write true or false"})
	}
	if err := at(k.owner(), version).SetBYOK(k.ctx(), id, *enabled, k.who.scope()); err != nil {
		return nil, k.staleChatbot(err, id)
	}
	return k.changed(id)
}

// setBYOI stores the owner's own endpoint. Without a key the stored one is kept,
// as long as the address stays at the same host.
func (k *call) setBYOI() (*reply, error) {
	id, version, err := k.target()
	if err != nil {
		return nil, err
	}
	var address string
	var header *string
	var key credstore.Secret
	if err := k.read(map[string]any{"url": &address, "auth_header": &header, "key": &key}); err != nil {
		return nil, err
	}
	address = strings.TrimSpace(address)
	var name string
	if header != nil {
		name = strings.TrimSpace(*header)
	}
	owner := at(k.owner(), version)
	if key.IsZero() {
		err = owner.MoveBYOI(k.ctx(), id, address, name, k.who.scope())
	} else {
		err = owner.SetBYOI(k.ctx(), id, address, name, key, k.who.scope())
	}
	if err != nil {
		return nil, k.staleChatbot(err, id)
	}
	return k.changed(id)
}

func (k *call) clearBYOI() (*reply, error) {
	id, version, err := k.target()
	if err == nil {
		err = k.empty()
	}
	if err != nil {
		return nil, err
	}
	if err := at(k.owner(), version).ClearBYOI(k.ctx(), id, k.who.scope()); err != nil {
		return nil, k.staleChatbot(err, id)
	}
	return k.changed(id)
}
