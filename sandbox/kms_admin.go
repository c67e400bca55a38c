package sandbox

import "time"

// changeKey changes the key that the body's KeyId names.
func (c *kmsRequest) changeKey(name string, f func(*kmsKey) error) (kmsKey, error) {
	// The policy hook is asked outside the lock: it is not ours.
	key, err := c.key(c.op, name, nil)
	if err != nil {
		return kmsKey{}, err
	}
	now := c.k.now()
	err = c.k.state.change(now, func(s *kmsState) error {
		var err error
		if key, err = s.find(key.ID); err != nil {
			return err
		}
		if err = f(&key); err == nil {
			s.Keys[key.ID] = key
		}
		return err
	})
	return key, err
}

// onlyKeyID reads a body that names a key and no more.
func (c *kmsRequest) onlyKeyID() (string, error) {
	var in struct{ KeyId string }
	err := c.decode(&in)
	return in.KeyId, err
}

// changeNamed is changeKey for such a body.
func (c *kmsRequest) changeNamed(f func(*kmsKey) error) (kmsKey, error) {
	name, err := c.onlyKeyID()
	if err != nil {
		return kmsKey{}, err
	}
	return c.changeKey(name, f)
}

func (c *kmsRequest) createKey() (any, error) {
	var in struct {
		Description, KeySpec, CustomerMasterKeySpec, KeyUsage, Origin string
		MultiRegion                                                   bool
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	usual := func(value, want string) bool { return value == "" || value == want }
	if !usual(in.KeySpec, symmetric) || !usual(in.CustomerMasterKeySpec, symmetric) ||
		!usual(in.KeyUsage, "ENCRYPT_DECRYPT") || !usual(in.Origin, "AWS_KMS") || in.MultiRegion {
		return nil, kmsRefusal("UnsupportedOperationException", "the stand-in makes %s keys of one region and of its own material only", symmetric)
	}
	if err := c.permit(c.op, "", nil); err != nil {
		return nil, err
	}
	now := c.k.now()
	key := newKMSKey(now)
	key.Description = in.Description
	err := c.k.state.change(now, func(s *kmsState) error { s.Keys[key.ID] = key; return nil })
	return object{"KeyMetadata": key.metadata()}, err
}

func (c *kmsRequest) describeKey() (any, error) {
	name, err := c.onlyKeyID()
	if err != nil {
		return nil, err
	}
	key, err := c.key(c.op, name, nil)
	if err != nil {
		return nil, err
	}
	return object{"KeyMetadata": key.metadata()}, nil
}

func (c *kmsRequest) enableKey() (any, error)  { return c.switchTo(keyEnabled) }
func (c *kmsRequest) disableKey() (any, error) { return c.switchTo(keyDisabled) }

func (c *kmsRequest) switchTo(state string) (any, error) {
	_, err := c.changeNamed(func(key *kmsKey) error {
		if err := key.notPending(); err != nil {
			return err
		}
		key.State = state
		return nil
	})
	return nil, err
}

func (c *kmsRequest) scheduleKeyDeletion() (any, error) {
	var in struct {
		KeyId               string
		PendingWindowInDays *int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	days := 30
	if in.PendingWindowInDays != nil {
		days = *in.PendingWindowInDays
	}
	if days < 7 || days > 30 {
		return nil, invalid("Value at 'pendingWindowInDays' failed to satisfy constraint: Member must be between 7 and 30")
	}
	key, err := c.changeKey(in.KeyId, func(key *kmsKey) error {
		if err := key.notPending(); err != nil {
			return err
		}
		key.State, key.Deletion = keyPending, c.k.now().AddDate(0, 0, days)
		return nil
	})
	return object{"KeyId": key.arn(), "KeyState": key.State, "DeletionDate": awsTime(key.Deletion), "PendingWindowInDays": days}, err
}

// cancelKeyDeletion leaves the key disabled, as AWS does.
func (c *kmsRequest) cancelKeyDeletion() (any, error) {
	key, err := c.changeNamed(func(key *kmsKey) error {
		if key.State != keyPending {
			return kmsRefusal("KMSInvalidStateException", "%s is not pending deletion.", key.arn())
		}
		key.State, key.Deletion = keyDisabled, time.Time{}
		return nil
	})
	return object{"KeyId": key.arn()}, err
}

func (c *kmsRequest) rotateKeyOnDemand() (any, error) {
	key, err := c.changeNamed(func(key *kmsKey) error {
		if err := key.usable(); err != nil {
			return err
		}
		*key = key.rotated()
		return nil
	})
	return object{"KeyId": key.ID}, err
}

func (c *kmsRequest) enableKeyRotation() (any, error) {
	var in struct {
		KeyId                string
		RotationPeriodInDays *int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	days := 365
	if in.RotationPeriodInDays != nil {
		days = *in.RotationPeriodInDays
	}
	if days < 90 || days > 2560 {
		return nil, invalid("Value at 'rotationPeriodInDays' failed to satisfy constraint: Member must be between 90 and 2560")
	}
	_, err := c.changeKey(in.KeyId, func(key *kmsKey) error {
		if err := key.usable(); err != nil {
			return err
		}
		key.RotationDays, key.RotationFrom = days, c.k.now()
		return nil
	})
	return nil, err
}

func (c *kmsRequest) getKeyRotationStatus() (any, error) {
	name, err := c.onlyKeyID()
	if err != nil {
		return nil, err
	}
	key, err := c.key(c.op, name, nil)
	if err != nil {
		return nil, err
	}
	o := object{"KeyId": key.ID, "KeyRotationEnabled": key.RotationDays > 0}
	if key.RotationDays > 0 {
		o["RotationPeriodInDays"] = key.RotationDays
		o["NextRotationDate"] = awsTime(key.RotationFrom.AddDate(0, 0, key.RotationDays))
	}
	return o, nil
}
