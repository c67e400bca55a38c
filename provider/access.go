package provider

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// How the three clouds are called with what their owners have stored: where,
// and with which header. The other providers need no more than their row.
//
// What these types hold is read from a credential anew for each call and is
// not kept. They print as REDACTED.

// An AzureAccess is an owner's resource at Azure OpenAI.
type AzureAccess struct{ key *azureKey }

// ReadAzure reads a credential in its stored form. The error is a
// *CredentialError.
func ReadAzure(secret []byte) (AzureAccess, error) {
	var problems []string
	k := readAzureKey(secret, storedForm, &problems)
	return AzureAccess{k}, readError(Azure, problems)
}

// URL is the base of the OpenAI-compatible API of the resource.
func (a AzureAccess) URL() string { return a.key.url() }

// Key is what the row's Auth shows.
func (a AzureAccess) Key() []byte { return []byte(a.key.APIKey) }

// Deployment returns the deployment that the owner has named for a model, ""
// if none.
func (a AzureAccess) Deployment(model []byte) string {
	for _, m := range a.key.Mappings {
		if m.Model == string(model) {
			return m.Deployment
		}
	}
	return ""
}

// Format implements fmt.Formatter: nothing of the key is printed.
func (AzureAccess) Format(f fmt.State, _ rune) { io.WriteString(f, "REDACTED") }

// A BedrockAccess is an owner's way to Amazon Bedrock: a Bedrock API key, or
// keys that sign.
type BedrockAccess struct{ key *bedrockKey }

// ReadBedrock reads a credential in its stored form. The error is a
// *CredentialError.
func ReadBedrock(secret []byte) (BedrockAccess, error) {
	var problems []string
	k := readBedrockKey(secret, storedForm, &problems)
	return BedrockAccess{k}, readError(Bedrock, problems)
}

// URL is the base of the OpenAI-compatible API of the owner's region (Amazon
// Bedrock user guide, "Chat Completions API" and "Responses API").
func (a BedrockAccess) URL() string {
	return "https://bedrock-runtime." + a.key.Region + ".amazonaws.com/openai/v1"
}

// Key is the Bedrock API key, to be shown as Bearer; nil if calls are signed.
func (a BedrockAccess) Key() []byte {
	if a.key.APIKey == "" {
		return nil
	}
	return []byte(a.key.APIKey)
}

// Sign adds Authorization, X-Amz-Date and, for temporary keys,
// X-Amz-Security-Token to a request (AWS Signature Version 4). bodyHash is the
// SHA-256 of the body, in hex. All headers that r has are signed.
func (a BedrockAccess) Sign(ctx context.Context, r *http.Request, bodyHash string, now time.Time) error {
	keys := aws.Credentials{AccessKeyID: a.key.AccessKeyID, SecretAccessKey: a.key.SecretAccessKey, SessionToken: a.key.SessionToken}
	return v4.NewSigner().SignHTTP(ctx, keys, r, bodyHash, "bedrock", a.key.Region, now)
}

// Format implements fmt.Formatter: nothing of the key is printed.
func (BedrockAccess) Format(f fmt.State, _ rune) { io.WriteString(f, "REDACTED") }

func readError(s Slug, problems []string) error {
	if len(problems) > 0 {
		return &CredentialError{s, problems}
	}
	return nil
}

// VertexURL says where the models of a service account's project and location
// are called. The error is a *CredentialError.
func VertexURL(secret []byte) (string, error) {
	var problems []string
	k := readVertexKey(secret, storedForm, &problems)
	if err := readError(Vertex, problems); err != nil {
		return "", err
	}
	return k.url(), nil
}
