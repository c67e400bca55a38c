package provider

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What is read from a credential cannot be printed, and one that is none is
// told without its value.
func TestAccessIsNotPrinted(t *testing.T) {
	azure, err := ReadAzure([]byte(vendorOf(t, Azure).good))
	if err != nil {
		t.Fatal(err)
	}
	bedrock, err := ReadBedrock([]byte(vendorOf(t, Bedrock).good))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{azure, &azure, bedrock, &bedrock, Grant{Token: []byte(accessToken)}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if s := fmt.Sprintf(verb, v); !strings.Contains(s, "REDACTED") || strings.Contains(s, "CANARY") {
				t.Errorf("%s of %T shows what is in it", verb, v)
			}
		}
	}
	if bedrock.Key() != nil || string(azure.Key()) != goodAzure {
		t.Error("the key is not the credential's")
	}
	for _, read := range []func([]byte) error{
		func(b []byte) error { _, err := ReadAzure(b); return err },
		func(b []byte) error { _, err := ReadBedrock(b); return err },
		func(b []byte) error { _, err := VertexURL(b); return err },
	} {
		for _, bad := range []string{"", "sk-CANARY", `{"apiKey":"CANARY","region":"evil.example.com/","resourceName":"a.b","project":"../x"}`, `[]`} {
			var problem *CredentialError
			if err := read([]byte(bad)); !errors.As(err, &problem) || strings.Contains(err.Error(), "CANARY") {
				t.Error("a bad credential was read, or shown")
			}
		}
	}
}
