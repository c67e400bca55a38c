package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// startKMS runs the command in this process until the test stops it, and
// returns the environment lines that it printed.
func startKMS(t *testing.T, args ...string) (env map[string]string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs logBuffer
	status := make(chan int, 1)
	go func() { // ends with ctx
		status <- newApp(strings.NewReader(""), &out, &errs).run(ctx, append([]string{"sandbox", "kms", "--listen", "127.0.0.1:0"}, args...))
	}()
	ended := false
	stop = func() {
		cancel()
		if !ended {
			if s := <-status; s != 0 {
				t.Errorf("exit status %d: %s", s, errs.String())
			}
		}
		ended = true
	}
	t.Cleanup(stop)
	eventually(t, "the stand-in serves", func() bool { return strings.Contains(out.String(), "METADATA_DISABLED") || len(status) > 0 })
	if !strings.Contains(out.String(), "alias/sidekey") || !strings.Contains(out.String(), "for development only") {
		t.Errorf("output: %s", out.String())
	}
	env = map[string]string{}
	for line := range strings.Lines(out.String()) {
		if words, ok := strings.CutPrefix(line, "export "); ok {
			for word := range strings.FieldsSeq(words) {
				name, value, _ := strings.Cut(word, "=")
				env[name] = value
			}
		}
	}
	return env, stop
}

// What the command prints is all that an SDK needs, and a state file carries
// ciphertexts over a restart.
func TestSandboxKMSServesTheSDK(t *testing.T) {
	state := filepath.Join(t.TempDir(), "kms.json")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	client := func(env map[string]string) *kms.Client {
		t.Helper()
		for name, value := range env {
			t.Setenv(name, value)
		}
		c, err := config.LoadDefaultConfig(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return kms.NewFromConfig(c)
	}
	secret := map[string]string{"chatbot_id": "demo"}

	env, stop := startKMS(t, "--state", state)
	if len(env) != 5 {
		t.Errorf("%d variables printed, want 5", len(env))
	}
	sealed, err := client(env).Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String("alias/sidekey"), Plaintext: []byte(canary), EncryptionContext: secret})
	if err != nil {
		t.Fatal(err)
	}
	stop()

	env, _ = startKMS(t, "--state", state)
	opened, err := client(env).Decrypt(t.Context(), &kms.DecryptInput{KeyId: aws.String("alias/sidekey"), CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: secret})
	if err != nil {
		t.Fatal(err)
	}
	if string(opened.Plaintext) != canary {
		t.Error("what was opened is not what was sealed")
	}
	if status, body := call(t, "GET", env["AWS_ENDPOINT_URL_KMS"]+"/sandbox/kms", ""); status != 200 || strings.Contains(body, "CANARY") || !strings.Contains(body, `"Decrypt":1`) {
		t.Errorf("the state page: %d", status)
	}
}
