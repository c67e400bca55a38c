package credstore

import (
	"errors"
	"fmt"
	"time"
)

// CacheConfig sets the Cache's limits. Zero values mean the defaults.
type CacheConfig struct {
	TTL         time.Duration // 5m: no key is used longer than this after the store confirmed it ...
	StaleLimit  time.Duration // 1h: ... unless the store is unreachable, then no longer than this
	Recheck     time.Duration // 1h: a decrypted secret is decrypted anew; how long a revocation in KMS takes to bite
	MaxChatbots int           // 10000 with records, and as many of which nothing is stored
	LoadTimeout time.Duration // 2.5s for one load, and for one decryption

	// OnError is told of every failed load and decryption, for the log. It
	// must not block, and not call the Cache.
	OnError func(chatbot string, err error)
}

func (cfg CacheConfig) withDefaults() CacheConfig {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&cfg.TTL, 5*time.Minute)
	set(&cfg.StaleLimit, max(time.Hour, cfg.TTL))
	set(&cfg.Recheck, time.Hour)
	set(&cfg.LoadTimeout, 2500*time.Millisecond)
	if cfg.MaxChatbots == 0 {
		cfg.MaxChatbots = 10000
	}
	return cfg
}

func (cfg CacheConfig) check() error {
	var errs []error
	if cfg.TTL < time.Second {
		errs = append(errs, fmt.Errorf("ttl %v: write 1s or more", cfg.TTL))
	}
	if cfg.StaleLimit < cfg.TTL {
		errs = append(errs, fmt.Errorf("stale_limit %v is below ttl %v: write at least the ttl", cfg.StaleLimit, cfg.TTL))
	}
	if cfg.Recheck < time.Second {
		errs = append(errs, fmt.Errorf("recheck %v: write 1s or more", cfg.Recheck))
	}
	if cfg.LoadTimeout < time.Millisecond {
		errs = append(errs, fmt.Errorf("load timeout %v: write 1ms or more", cfg.LoadTimeout))
	}
	if cfg.MaxChatbots < 1 {
		errs = append(errs, fmt.Errorf("max_chatbots %d: write 1 or more", cfg.MaxChatbots))
	}
	return errors.Join(errs...)
}
