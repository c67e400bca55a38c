package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// An object is a JSON credential that has been read.
type object interface {
	// encode returns the stored form: compact JSON.
	encode() []byte
	// recognised returns the part that Hint shows the end of.
	recognised() string
	// hidden returns the parts that nobody may see.
	hidden() []string
}

// readCredential reads a credential of the given kind, and adds all problems.
func readCredential(k Kind, raw []byte, f form, problems *[]string) object {
	switch k {
	case ServiceAccount:
		return readVertexKey(raw, f, problems)
	case AWSKeys:
		return readBedrockKey(raw, f, problems)
	case AzureKey:
		return readAzureKey(raw, f, problems)
	}
	return plainKey(raw)
}

// hiddenParts returns what must never be seen of a valid credential.
func hiddenParts(k Kind, secret []byte) []string {
	var ignored []string
	return readCredential(k, secret, storedForm, &ignored).hidden()
}

// encodeJSON is json.Marshal without the escapes for HTML.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil // structs of strings always encode
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// A plainKey is an API key.
type plainKey string

func (k plainKey) encode() []byte     { return []byte(k) }
func (k plainKey) recognised() string { return string(k) }
func (k plainKey) hidden() []string   { return []string{string(k)} }

// A bedrockKey is a pair of IAM keys, or a Bedrock API key.
type bedrockKey struct {
	AccessKeyID     string `json:"accessKeyId,omitempty"`
	SecretAccessKey string `json:"secretAccessKey,omitempty"`
	SessionToken    string `json:"sessionToken,omitempty"`
	APIKey          string `json:"apiKey,omitempty"`
	Region          string `json:"region"`
}

func readBedrockKey(raw []byte, f form, problems *[]string) *bedrockKey {
	o := readFields(raw, "", f, problems)
	if len(*problems) > 0 {
		return &bedrockKey{}
	}
	k := &bedrockKey{}
	_, hasKey := o.members["apiKey"]
	_, hasID := o.members["accessKeyId"]
	_, hasSecret := o.members["secretAccessKey"]
	switch {
	case hasKey && (hasID || hasSecret):
		o.problem("apiKey", "and accessKeyId/secretAccessKey exclude each other: give one of the two")
		for _, name := range []string{"apiKey", "accessKeyId", "secretAccessKey", "sessionToken"} {
			o.take(name)
		}
	case hasKey:
		k.APIKey = o.text("apiKey", keyText)
	default:
		k.AccessKeyID = o.text("accessKeyId", accessKeyID)
		k.SecretAccessKey = o.text("secretAccessKey", keyText)
		k.SessionToken = o.optional("sessionToken", keyText)
	}
	k.Region = o.label("region", o.text)
	o.rest()
	return k
}

// accessKeyID is the pattern of the IAM API reference (AccessKey).
func accessKeyID(s string) string {
	ok := len(s) >= 16 && len(s) <= 128
	for i := range len(s) {
		c := s[i]
		ok = ok && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_')
	}
	if !ok {
		return "must be 16 to 128 letters and digits"
	}
	return ""
}

func (k *bedrockKey) encode() []byte { return encodeJSON(k) }

func (k *bedrockKey) recognised() string {
	if k.APIKey != "" {
		return k.APIKey
	}
	return k.AccessKeyID
}

func (k *bedrockKey) hidden() []string {
	return []string{k.APIKey, k.AccessKeyID, k.SecretAccessKey, k.SessionToken}
}

// An azureKey is an API key and the resource that it belongs to.
type azureKey struct {
	APIKey       string         `json:"apiKey"`
	ResourceName string         `json:"resourceName"`
	Mappings     []azureMapping `json:"modelMappings,omitempty"`
}

// An azureMapping names the deployment that answers for a model.
type azureMapping struct {
	Model      string `json:"gatewayModelSlug"`
	Deployment string `json:"customModelId"`
}

func readAzureKey(raw []byte, f form, problems *[]string) *azureKey {
	o := readFields(raw, "", f, problems)
	if len(*problems) > 0 {
		return &azureKey{}
	}
	k := &azureKey{
		APIKey:       o.text("apiKey", keyText),
		ResourceName: o.label("resourceName", o.text),
	}
	if list, ok := o.take("modelMappings"); ok {
		var items []json.RawMessage
		if json.Unmarshal(list, &items) != nil {
			o.problem("modelMappings", "must be a list")
		}
		for i, item := range items {
			m := readFields(item, fmt.Sprintf("modelMappings[%d].", i), f, problems)
			k.Mappings = append(k.Mappings, azureMapping{
				Model:      m.text("gatewayModelSlug", plainText),
				Deployment: m.text("customModelId", plainText),
			})
			m.rest()
		}
	}
	o.rest()
	return k
}

func (k *azureKey) encode() []byte     { return encodeJSON(k) }
func (k *azureKey) recognised() string { return k.APIKey }
func (k *azureKey) hidden() []string   { return []string{k.APIKey} }
