package main

import (
	"time"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A chatbotReport is one chatbot in the output of keys list --json.
type chatbotReport struct {
	Chatbot string      `json:"chatbot"`
	Account string      `json:"account,omitempty"`
	BYOK    bool        `json:"byok"`
	BYOIURL string      `json:"byoi_url,omitempty"`
	Keys    []storedKey `json:"keys"`
}

// A storedKey is what may be shown of a key.
type storedKey struct {
	Chatbot    string        `json:"chatbot,omitempty"`
	Provider   provider.Slug `json:"provider"`
	Slot       int           `json:"slot"`
	Hint       string        `json:"hint"`
	Label      string        `json:"label,omitempty"`
	Version    int64         `json:"version"`
	CreatedAt  time.Time     `json:"created_at,omitzero"`
	UpdatedAt  time.Time     `json:"updated_at,omitzero"`
	TestedAt   time.Time     `json:"tested_at,omitzero"`
	TestResult string        `json:"test_result,omitempty"`
}

func keyReport(chatbot string, k credstore.KeyInfo) storedKey {
	return storedKey{
		Chatbot: chatbot, Provider: k.Slug, Slot: k.Slot, Hint: k.Hint, Label: k.Label, Version: k.Version,
		CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, TestedAt: k.TestedAt, TestResult: k.TestResult,
	}
}

func reportOf(info credstore.ChatbotInfo) chatbotReport {
	out := chatbotReport{
		Chatbot: info.Chatbot, Account: info.Account, BYOK: info.BYOK, BYOIURL: info.BYOIURL,
		Keys: make([]storedKey, len(info.Keys)),
	}
	for i, k := range info.Keys {
		out.Keys[i] = keyReport("", k)
	}
	return out
}
