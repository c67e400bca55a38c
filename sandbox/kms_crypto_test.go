package sandbox

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestKMSOpensWhatItSealed(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	id := r.kms.KeyID(testAlias)
	context := map[string]string{"app": "sidekey", "chatbot_id": "demo"}
	names := []string{id, kmsKeyARN + id, testAlias, kmsARN + testAlias}
	for _, name := range names {
		blob := r.seal(name, context)
		if bytes.Contains(blob, []byte("CANARY")) {
			t.Fatal("the ciphertext holds the plaintext")
		}
		for _, pinned := range append(names, "") {
			r.opens(pinned, blob, context)
		}
	}
	out, err := r.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(testAlias), Plaintext: []byte(kmsSecret)})
	r.ok(err)
	if *out.KeyId != r.kms.KeyARN(testAlias) || out.EncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault {
		t.Errorf("key %s, algorithm %s", *out.KeyId, out.EncryptionAlgorithm)
	}
	r.opens("", out.CiphertextBlob, map[string]string{}) // no context and an empty one are the same
}

func TestKMSSealsDifferentlyEachTime(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	if bytes.Equal(r.seal(testAlias, nil), r.seal(testAlias, nil)) {
		t.Error("two ciphertexts of one plaintext are equal")
	}
}

func TestKMSRefusesAnotherContext(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	f := func(sealed, asked map[string]string) {
		t.Helper()
		_, err := r.open(testAlias, r.seal(testAlias, sealed), asked)
		wantKMSError[invalidCiphertext](t, err, "InvalidCiphertextException")
	}
	f(map[string]string{"a": "b"}, nil)
	f(nil, map[string]string{"a": "b"})
	f(map[string]string{"a": "b"}, map[string]string{"a": "c"})
	f(map[string]string{"a": "b"}, map[string]string{"A": "b"})
	f(map[string]string{"a": "b"}, map[string]string{"a": "b", "c": "d"})
	// The same characters, divided in another way.
	f(map[string]string{"a": "bc"}, map[string]string{"ab": "c"})
	f(map[string]string{"a": "b", "c": "d"}, map[string]string{"a": "bcd"})
	f(map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "2", "b": "1"})
}

func TestKMSRefusesATamperedCiphertext(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	blob := r.seal(testAlias, nil)
	refuse := func(blob []byte) {
		t.Helper()
		_, err := r.open("", blob, nil)
		wantKMSError[invalidCiphertext](t, err, "InvalidCiphertextException")
	}
	for i := range blob {
		changed := slices.Clone(blob)
		changed[i] ^= 1
		refuse(changed)
	}
	refuse(blob[:len(blob)-1])
	refuse(blob[:sealHeader])
	refuse(blob[:1])
	refuse(append(slices.Clone(blob), 0))
	refuse([]byte("garbage"))
}

func TestKMSRefusesAnotherKey(t *testing.T) {
	r := newKMSRig(t, KMSConfig{Aliases: []string{testAlias, "alias/other"}})
	blob := r.seal(testAlias, nil)
	for _, pinned := range []string{"alias/other", r.kms.KeyID("alias/other"), r.kms.KeyARN("alias/other")} {
		_, err := r.open(pinned, blob, nil)
		wantKMSError[incorrectKey](t, err, "IncorrectKeyException")
	}
	// The alias moved on: what it now points to did not seal this.
	_, err := r.client.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: aws.String(testAlias), TargetKeyId: aws.String(r.kms.KeyID("alias/other"))})
	r.ok(err)
	_, err = r.open(testAlias, blob, nil)
	wantKMSError[incorrectKey](t, err, "IncorrectKeyException")
	r.opens("", blob, nil)
}

func TestKMSLimitsThePlaintext(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	encrypt := func(n int) ([]byte, error) {
		out, err := r.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(testAlias), Plaintext: make([]byte, n)})
		if err != nil {
			return nil, err
		}
		return out.CiphertextBlob, nil
	}
	blob, err := encrypt(4096)
	r.ok(err)
	if got, err := r.open("", blob, nil); err != nil || len(got) != 4096 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, n := range []int{0, 4097} {
		_, err := encrypt(n)
		wantKMSCode(t, err, "ValidationException")
	}
	for _, n := range []int{0, 6145} {
		_, err := r.open("", make([]byte, n), nil)
		wantKMSCode(t, err, "ValidationException")
	}
}

func TestKMSOpensOldGenerationsAfterARotation(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	var blobs [][]byte
	materials := map[string]bool{}
	for range 3 {
		blobs = append(blobs, r.seal(testAlias, nil))
		_, err := r.client.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: aws.String(r.kms.KeyID(testAlias))})
		r.ok(err)
	}
	for i, blob := range blobs {
		if _, generation, _ := sealedWith(blob); generation != i+1 {
			t.Errorf("ciphertext %d is of generation %d", i, generation)
		}
		out, err := r.client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob, KeyId: aws.String(testAlias)})
		r.ok(err)
		if string(out.Plaintext) != kmsSecret {
			t.Error("what was opened is not what was sealed")
		}
		materials[*out.KeyMaterialId] = true
	}
	if len(materials) != 3 {
		t.Errorf("%d key materials, want 3", len(materials))
	}
}

func TestKMSMakesDataKeys(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	context := map[string]string{"a": "b"}
	f := func(in kms.GenerateDataKeyInput, size int) {
		t.Helper()
		in.KeyId, in.EncryptionContext = aws.String(testAlias), context
		out, err := r.client.GenerateDataKey(t.Context(), &in)
		r.ok(err)
		got, err := r.open(testAlias, out.CiphertextBlob, context)
		r.ok(err)
		if len(out.Plaintext) != size || !bytes.Equal(got, out.Plaintext) || *out.KeyId != r.kms.KeyARN(testAlias) {
			t.Errorf("a data key of %d bytes does not come back, or is not of %d", len(out.Plaintext), size)
		}
		bare, err := r.client.GenerateDataKeyWithoutPlaintext(t.Context(), &kms.GenerateDataKeyWithoutPlaintextInput{
			KeyId: in.KeyId, EncryptionContext: context, KeySpec: in.KeySpec, NumberOfBytes: in.NumberOfBytes})
		r.ok(err)
		if got, err := r.open(testAlias, bare.CiphertextBlob, context); err != nil || len(got) != size {
			t.Errorf("without plaintext: %d bytes, %v", len(got), err)
		}
	}
	f(kms.GenerateDataKeyInput{KeySpec: types.DataKeySpecAes256}, 32)
	f(kms.GenerateDataKeyInput{KeySpec: types.DataKeySpecAes128}, 16)
	f(kms.GenerateDataKeyInput{NumberOfBytes: aws.Int32(1024)}, 1024)
	for _, in := range []kms.GenerateDataKeyInput{
		{}, {KeySpec: "AES_512"}, {NumberOfBytes: aws.Int32(1025)}, {NumberOfBytes: aws.Int32(-1)},
		{KeySpec: types.DataKeySpecAes256, NumberOfBytes: aws.Int32(32)},
	} {
		in.KeyId = aws.String(testAlias)
		_, err := r.client.GenerateDataKey(t.Context(), &in)
		wantKMSCode(t, err, "ValidationException")
	}
}

func TestKMSReEncrypts(t *testing.T) {
	r := newKMSRig(t, KMSConfig{Aliases: []string{testAlias, "alias/other"}})
	before, after := map[string]string{"a": "b"}, map[string]string{"c": "d"}
	in := &kms.ReEncryptInput{
		CiphertextBlob: r.seal(testAlias, before), SourceKeyId: aws.String(testAlias), SourceEncryptionContext: before,
		DestinationKeyId: aws.String("alias/other"), DestinationEncryptionContext: after,
	}
	out, err := r.client.ReEncrypt(t.Context(), in)
	r.ok(err)
	if *out.SourceKeyId != r.kms.KeyARN(testAlias) || *out.KeyId != r.kms.KeyARN("alias/other") {
		t.Errorf("from %s to %s", *out.SourceKeyId, *out.KeyId)
	}
	r.opens("alias/other", out.CiphertextBlob, after)
	in.SourceEncryptionContext = after
	_, err = r.client.ReEncrypt(t.Context(), in)
	wantKMSError[invalidCiphertext](t, err, "InvalidCiphertextException")
}

func TestKMSSaysWhatItDoesNotHave(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	_, err := r.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(testAlias), Plaintext: []byte(kmsSecret), DryRun: aws.Bool(true)})
	wantKMSError[*types.UnsupportedOperationException](t, err, "UnsupportedOperationException")
	_, err = r.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(testAlias), Plaintext: []byte(kmsSecret), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
	wantKMSError[*types.InvalidKeyUsageException](t, err, "InvalidKeyUsageException")
	_, err = r.client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048})
	wantKMSError[*types.UnsupportedOperationException](t, err, "UnsupportedOperationException")
}

// For the race detector: keys are used while they are rotated and switched.
func TestKMSIsSafeForConcurrentUse(t *testing.T) {
	r := newKMSRig(t, KMSConfig{StateFile: stateFile(t)})
	ctx, id := t.Context(), r.kms.KeyID(testAlias)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			context := map[string]string{"worker": fmt.Sprint(worker)}
			for range 10 {
				r.opens(testAlias, r.seal(testAlias, context), context)
				if _, err := r.client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
					t.Error(err)
				}
				if _, err := r.client.CreateKey(ctx, &kms.CreateKeyInput{}); err != nil {
					t.Error(err)
				}
				r.page("GET", "/sandbox/kms")
			}
		})
	}
	all.Wait()
	key, err := r.kms.state.at(r.kms.now()).find(id)
	r.ok(err)
	if len(key.Generations) != 41 || r.kms.Succeeded("Encrypt") != 40 || len(r.kms.state.at(r.kms.now()).Keys) != 41 {
		t.Errorf("%d generations, %d encryptions: a change was lost", len(key.Generations), r.kms.Succeeded("Encrypt"))
	}
}
