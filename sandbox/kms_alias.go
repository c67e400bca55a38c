package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

func (c *kmsRequest) createAlias() (any, error) {
	return nil, c.pointAlias(func(s *kmsState, name string, key kmsKey, now time.Time) error {
		if _, exists := s.Aliases[name]; exists {
			return kmsRefusal("AlreadyExistsException", "An alias with the name %s already exists", kmsARN+name)
		}
		s.Aliases[name] = kmsAlias{Key: key.ID, Created: now, Updated: now}
		return nil
	})
}

func (c *kmsRequest) updateAlias() (any, error) {
	return nil, c.pointAlias(func(s *kmsState, name string, key kmsKey, now time.Time) error {
		alias, exists := s.Aliases[name]
		if !exists {
			return aliasNotFound(name)
		}
		alias.Key, alias.Updated = key.ID, now
		s.Aliases[name] = alias
		return nil
	})
}

// pointAlias is what CreateAlias and UpdateAlias have in common.
func (c *kmsRequest) pointAlias(f func(s *kmsState, name string, key kmsKey, now time.Time) error) error {
	var in struct{ AliasName, TargetKeyId string }
	if err := c.decode(&in); err != nil {
		return err
	}
	if !validAlias(in.AliasName) {
		return kmsRefusal("InvalidAliasNameException", "an alias is alias/ and then letters, digits, / _ or -, and not alias/aws/")
	}
	if strings.HasPrefix(strings.TrimPrefix(in.TargetKeyId, kmsARN), "alias/") {
		return invalid("Aliases must refer to keys. Not aliases")
	}
	key, err := c.key(c.op, in.TargetKeyId, nil)
	if err != nil {
		return err
	}
	now := c.k.now()
	return c.k.state.change(now, func(s *kmsState) error {
		key, err := s.find(key.ID)
		if err != nil {
			return err
		}
		if err := key.notPending(); err != nil {
			return err
		}
		return f(s, in.AliasName, key, now)
	})
}

func (c *kmsRequest) deleteAlias() (any, error) {
	var in struct{ AliasName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	alias, exists := c.k.state.at(c.k.now()).Aliases[in.AliasName]
	if !exists {
		return nil, aliasNotFound(in.AliasName)
	}
	if err := c.permit(c.op, kmsKeyARN+alias.Key, nil); err != nil {
		return nil, err
	}
	return nil, c.k.state.change(c.k.now(), func(s *kmsState) error {
		if _, exists := s.Aliases[in.AliasName]; !exists {
			return aliasNotFound(in.AliasName)
		}
		delete(s.Aliases, in.AliasName)
		return nil
	})
}

// listAliases gives pages in the order of the names. The marker is the last
// name of the page before.
func (c *kmsRequest) listAliases() (any, error) {
	var in struct {
		KeyId, Marker string
		Limit         *int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	limit := 50
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 100 {
		return nil, invalid("Value at 'limit' failed to satisfy constraint: Member must be between 1 and 100")
	}
	if in.Marker != "" && !validAlias(in.Marker) {
		return nil, kmsRefusal("InvalidMarkerException", "the marker is not one that the stand-in gave")
	}
	only, err := c.listedKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	state := c.k.state.at(c.k.now())
	page := []object{}
	for _, name := range slices.Sorted(maps.Keys(state.Aliases)) {
		alias := state.Aliases[name]
		if name <= in.Marker || (only != "" && alias.Key != only) {
			continue
		}
		if len(page) == limit {
			return object{"Aliases": page, "Truncated": true, "NextMarker": page[limit-1]["AliasName"]}, nil
		}
		page = append(page, object{
			"AliasName": name, "AliasArn": kmsARN + name, "TargetKeyId": alias.Key,
			"CreationDate": awsTime(alias.Created), "LastUpdatedDate": awsTime(alias.Updated),
		})
	}
	return object{"Aliases": page, "Truncated": false}, nil
}

// listedKey is the id of the key whose aliases are wanted, "" for all.
func (c *kmsRequest) listedKey(name string) (string, error) {
	if name == "" {
		return "", c.permit(c.op, "", nil)
	}
	key, err := c.key(c.op, name, nil)
	return key.ID, err
}
