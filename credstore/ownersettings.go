package credstore

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"
)

// SetBYOK switches the use of the owner's keys on or off. The keys stay.
func (o *Owner) SetBYOK(ctx context.Context, chatbot string, on bool, account string) error {
	return o.changeSettings(ctx, chatbot, account, func(_ context.Context, s *Settings) (*Change, error) {
		if s.BYOKEnabled == on && o.signedIn() {
			return nil, nil
		}
		s.BYOKEnabled = on
		done := &Change{Action: ActionSwitchOff, Item: "byok"}
		if on {
			done.Action = ActionSwitchOn
		}
		return done, nil
	})
}

// Rename gives the chatbot another name, its owner's own words.
func (o *Owner) Rename(ctx context.Context, chatbot, name, account string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return o.changeSettings(ctx, chatbot, account, func(_ context.Context, s *Settings) (*Change, error) {
		if s.Name == name {
			return nil, nil
		}
		s.Name = name
		return &Change{Action: ActionRename, Item: itemChatbot}, nil
	})
}

// SetBYOI stores the owner's own endpoint and its key. While it is there, all
// of the chatbot's requests go to it. authHeader carries the key as it is; ""
// means "Authorization: Bearer". Whether the address may be used at all is the
// operator's word, byoi.allow, and not checked here.
func (o *Owner) SetBYOI(ctx context.Context, chatbot, address, authHeader string, key Secret, account string) error {
	if err := checkBYOI(address, authHeader); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	plain := bytes.TrimSpace(key.Reveal())
	if err := checkPlainKey(plain); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := checkChatbot(chatbot, account); err != nil {
		return err
	}
	sealed, err := o.b.Cipher.Encrypt(ctx, plain, sealContext(o.b.Table, chatbot, SettingsItem))
	if err != nil {
		return fmt.Errorf("key of the own endpoint of chatbot %s could not be sealed: %w", chatbot, err)
	}
	return o.changeSettings(ctx, chatbot, account, func(ctx context.Context, s *Settings) (*Change, error) {
		if b := s.BYOI; b != nil && b.URL == address && b.AuthHeader == authHeader && o.holds(ctx, chatbot, SettingsItem, b.Ciphertext, plain) {
			return nil, nil
		}
		s.BYOI = &BYOI{URL: address, AuthHeader: authHeader, Ciphertext: sealed}
		return &Change{Action: ActionSet, Item: "byoi"}, nil
	})
}

// MoveBYOI changes the address or the header of the owner's own endpoint and
// keeps its key. The new address must be at the same host: whoever could name
// another one without knowing the key could have it sent to himself.
func (o *Owner) MoveBYOI(ctx context.Context, chatbot, address, authHeader, account string) error {
	if err := checkBYOI(address, authHeader); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return o.changeSettings(ctx, chatbot, account, func(_ context.Context, s *Settings) (*Change, error) {
		b := s.BYOI
		switch {
		case b == nil:
			return nil, fmt.Errorf("%w: key: is missing: no endpoint is stored whose key could be kept", ErrInvalid)
		case b.URL == address && b.AuthHeader == authHeader:
			return nil, nil
		case !sameOrigin(b.URL, address):
			return nil, fmt.Errorf("%w: key: is missing: the address is at another host than before, so the stored key is not kept; enter the key for the new one", ErrInvalid)
		}
		s.BYOI = &BYOI{URL: address, AuthHeader: authHeader, Ciphertext: b.Ciphertext, later: b.later}
		return &Change{Action: ActionSet, Item: "byoi", Detail: "key kept"}, nil
	})
}

// sameOrigin reports whether two addresses are at the same scheme, host and port.
func sameOrigin(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Host, v.Host)
}

// ClearBYOI removes the owner's own endpoint and its key. ErrNotFound if there
// is none.
func (o *Owner) ClearBYOI(ctx context.Context, chatbot, account string) error {
	return o.changeSettings(ctx, chatbot, account, func(_ context.Context, s *Settings) (*Change, error) {
		if s.BYOI == nil {
			return nil, fmt.Errorf("own endpoint of chatbot %s: %w", chatbot, ErrNotFound)
		}
		s.BYOI = nil
		return &Change{Action: ActionDelete, Item: "byoi"}, nil
	})
}

// changeSettings changes the settings of a chatbot, new ones with BYOK on if
// there are none.
func (o *Owner) changeSettings(ctx context.Context, chatbot, account string, do func(context.Context, *Settings) (*Change, error)) error {
	if err := checkChatbot(chatbot, account); err != nil {
		return err
	}
	return o.change(ctx, chatbot, account, func(ctx context.Context, rec *Record) (*Change, error) {
		s := Settings{AccountID: account, BYOKEnabled: true}
		var have int64
		if live := rec.live(); live != nil {
			s, have = *live, live.Version
		}
		done, err := do(ctx, &s)
		if err != nil || done == nil {
			return nil, err
		}
		if err := o.expects(chatbot, SettingsItem, have); err != nil {
			return nil, err
		}
		return done, o.putSettings(ctx, chatbot, &s, rec.settingsVersion())
	})
}

// maxAddress is how long the address of an endpoint may be, in bytes.
const maxAddress = 2000

func checkBYOI(address, authHeader string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxAddress || !printable(address):
		return fmt.Errorf("address: not a URL of at most %d characters", maxAddress)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("address: write https://HOST/PATH")
	case u.Hostname() == "":
		return fmt.Errorf("address: it has no host; write https://HOST/PATH")
	case u.User != nil:
		return fmt.Errorf("address: it has a user or password in it; the key goes separately")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return fmt.Errorf("address: it has a query or fragment; write https://HOST/PATH")
	}
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" // RFC 9110, 5.6.2
	if strings.Trim(authHeader, token) != "" || len(authHeader) > 100 {
		return fmt.Errorf("auth header %.40q: not the name of a header", authHeader)
	}
	switch strings.ToLower(authHeader) {
	case "host", "connection", "content-length", "content-type", "transfer-encoding", "te", "trailer", "upgrade",
		"keep-alive", "expect", "proxy-connection", "cookie":
		return fmt.Errorf("auth header %q: this header has another meaning; write the one for the key", authHeader)
	}
	return nil
}

// checkPlainKey accepts what can stand in a header as it is.
func checkPlainKey(key []byte) error {
	const longest = 4096 // as for providers' keys, and KMS encrypts no more
	if len(key) == 0 || len(key) > longest {
		return fmt.Errorf("key: has %d bytes; write 1 to %d", len(key), longest)
	}
	for _, c := range key {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("key: it has a space, a line break or a character outside ASCII in it")
		}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}
