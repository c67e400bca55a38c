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
	return o.changeSettings(ctx, chatbot, account, func(s *Settings) error {
		s.BYOKEnabled = on
		return nil
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
	return o.changeSettings(ctx, chatbot, account, func(s *Settings) error {
		s.BYOI = &BYOI{URL: address, AuthHeader: authHeader, Ciphertext: sealed}
		return nil
	})
}

// ClearBYOI removes the owner's own endpoint and its key. ErrNotFound if there
// is none.
func (o *Owner) ClearBYOI(ctx context.Context, chatbot, account string) error {
	return o.changeSettings(ctx, chatbot, account, func(s *Settings) error {
		if s.BYOI == nil {
			return fmt.Errorf("own endpoint of chatbot %s: %w", chatbot, ErrNotFound)
		}
		s.BYOI = nil
		return nil
	})
}

// changeSettings changes the settings of a chatbot, new ones with BYOK on if
// there are none.
func (o *Owner) changeSettings(ctx context.Context, chatbot, account string, do func(*Settings) error) error {
	if err := checkChatbot(chatbot, account); err != nil {
		return err
	}
	return o.change(ctx, chatbot, account, func(rec *Record) error {
		s := Settings{AccountID: account, BYOKEnabled: true}
		if rec.Settings != nil {
			s = *rec.Settings
		}
		was := s.Version
		if err := do(&s); err != nil {
			return err
		}
		return o.putSettings(ctx, chatbot, &s, was)
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
