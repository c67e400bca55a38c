package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

func stateFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "kms.json")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKMSRemembersAfterARestart(t *testing.T) {
	file := stateFile(t)
	context := map[string]string{"a": "b"}
	r := newKMSRig(t, KMSConfig{StateFile: file})
	ctx, id := t.Context(), r.kms.KeyID(testAlias)
	old := r.seal(testAlias, context)
	_, err := r.client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	r.ok(err)
	recent := r.seal(testAlias, context)
	other := r.newKey()
	_, err = r.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/other"), TargetKeyId: &other})
	r.ok(err)
	_, err = r.client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &other})
	r.ok(err)
	r.ok(r.server.Close())

	r = newKMSRig(t, KMSConfig{StateFile: file, Aliases: []string{testAlias, "alias/third"}})
	if r.kms.KeyID(testAlias) != id || r.kms.KeyID("alias/other") != other || r.kms.KeyID("alias/third") == "" {
		t.Error("the aliases are not as they were")
	}
	r.opens(testAlias, old, context)
	r.opens(testAlias, recent, context)
	_, err = r.client.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/other"), Plaintext: []byte(kmsSecret)})
	wantKMSError[disabled](t, err, "DisabledException")
}

func TestKMSForgetsWithoutAStateFile(t *testing.T) {
	blob := newKMSRig(t, KMSConfig{}).seal(testAlias, nil)
	_, err := newKMSRig(t, KMSConfig{}).open("", blob, nil)
	wantKMSError[invalidCiphertext](t, err, "InvalidCiphertextException")
}

func TestKMSStateFileIsPrivate(t *testing.T) {
	file := stateFile(t)
	newKMSRig(t, KMSConfig{StateFile: file}).seal(testAlias, nil)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if strings.Contains(readFile(t, file), "CANARY") {
		t.Error("the file holds a plaintext")
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := NewKMS(KMSConfig{StateFile: file}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that all can read: %v", err)
	}
}

func TestKMSRefusesADamagedStateFile(t *testing.T) {
	good := func() string {
		file := stateFile(t)
		newKMSRig(t, KMSConfig{StateFile: file})
		return readFile(t, file)
	}()
	f := func(content, want string) {
		t.Helper()
		file := stateFile(t)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewKMS(KMSConfig{StateFile: file, Aliases: []string{"alias/new"}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("error %v, want one that says %q", err, want)
		}
		if readFile(t, file) != content {
			t.Error("the file has been changed")
		}
	}
	f("", "unexpected end")
	f(good[:len(good)/2], "unexpected end")
	f("{}", "version 0")
	f(strings.Replace(good, `"state": "Enabled"`, `"state": "Lost"`, 1), "no valid state")
	f(strings.Replace(good, `"id": "`, `"id": "x`, 1), "wrong id")
	f(strings.Replace(good, testAlias, "alias", 1), "malformed")
	f(strings.Replace(good, `"key": "`, `"key": "x`, 1), "points nowhere")
	begin := strings.Index(good, "[") + 1
	end := strings.Index(good, "]")
	f(good[:begin]+good[end:], "no generations")
	f(good[:begin]+`"c2hvcnQ="`+good[end:], "5 bytes")
}

func TestKMSStaysAsItWasWhenTheFileCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sub")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newKMSRig(t, KMSConfig{StateFile: filepath.Join(dir, "kms.json")})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, err := r.client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: aws.String(testAlias)})
	wantKMSCode(t, err, "KMSInternalException")
	r.seal(testAlias, nil) // still enabled
}

func TestKMSChecksItsConfig(t *testing.T) {
	for _, name := range []string{"sidekey", "alias/", "alias/aws/sidekey", "alias/a b"} {
		if _, err := NewKMS(KMSConfig{Aliases: []string{name}}); err == nil || !strings.Contains(err.Error(), "want alias/") {
			t.Errorf("%q: %v", name, err)
		}
	}
	k, err := NewKMS(KMSConfig{})
	if err != nil || k.KeyID(testAlias) != "" || k.KeyARN(testAlias) != "" {
		t.Errorf("the zero config: %v", err)
	}
}
