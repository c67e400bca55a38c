package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestKMSDescribesAKeyAsAWSDoes(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	out, err := r.client.CreateKey(t.Context(), &kms.CreateKeyInput{Description: aws.String("for tests")})
	r.ok(err)
	id := *out.KeyMetadata.KeyId
	for _, name := range []string{id, kmsKeyARN + id} {
		out, err := r.client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
		r.ok(err)
		m := out.KeyMetadata
		if *m.KeyId != id || *m.Arn != kmsKeyARN+id || *m.AWSAccountId != "000000000000" || *m.Description != "for tests" ||
			!m.Enabled || m.KeyState != types.KeyStateEnabled || m.KeyUsage != types.KeyUsageTypeEncryptDecrypt ||
			m.KeySpec != types.KeySpecSymmetricDefault || m.KeyManager != types.KeyManagerTypeCustomer ||
			m.Origin != types.OriginTypeAwsKms || m.DeletionDate != nil || *m.MultiRegion ||
			len(m.EncryptionAlgorithms) != 1 || time.Since(*m.CreationDate) > time.Minute {
			t.Errorf("metadata %+v", m)
		}
	}
}

func TestKMSRefusesADisabledKey(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	ctx, id := t.Context(), aws.String(testAlias)
	blob := r.seal(testAlias, nil)
	_, err := r.client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
	r.ok(err)
	_, err = r.open("", blob, nil)
	wantKMSError[disabled](t, err, "DisabledException")
	_, err = r.client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte(kmsSecret)})
	wantKMSError[disabled](t, err, "DisabledException")
	_, err = r.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: types.DataKeySpecAes256})
	wantKMSError[disabled](t, err, "DisabledException")
	_, err = r.client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: id})
	wantKMSError[disabled](t, err, "DisabledException")
	_, err = r.client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	r.ok(err)
	r.opens(testAlias, blob, nil)
}

func TestKMSRefusesAKeyThatWaitsForDeletion(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	ctx, id := t.Context(), aws.String(r.kms.KeyID(testAlias))
	blob := r.seal(testAlias, nil)
	out, err := r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)})
	r.ok(err)
	if days := time.Until(*out.DeletionDate).Hours() / 24; days < 6.9 || days > 7.1 || out.KeyState != types.KeyStatePendingDeletion || *out.PendingWindowInDays != 7 {
		t.Errorf("deletion %+v", out)
	}
	state := func(err error) { t.Helper(); wantKMSError[invalidState](t, err, "KMSInvalidStateException") }
	_, err = r.open(testAlias, blob, nil)
	state(err)
	_, err = r.client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte(kmsSecret)})
	state(err)
	_, err = r.client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	state(err)
	_, err = r.client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
	state(err)
	_, err = r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id})
	state(err)
	_, err = r.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/late"), TargetKeyId: id})
	state(err)

	_, err = r.client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id})
	r.ok(err)
	_, err = r.client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id})
	state(err)
	_, err = r.open(testAlias, blob, nil)
	wantKMSError[disabled](t, err, "DisabledException") // as AWS leaves it
	_, err = r.client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	r.ok(err)
	r.opens(testAlias, blob, nil)

	for _, days := range []int32{6, 31} {
		_, err = r.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: &days})
		wantKMSCode(t, err, "ValidationException")
	}
}

func TestKMSDestroysAKeyWhenItsTimeHasCome(t *testing.T) {
	file := stateFile(t)
	k, err := NewKMS(KMSConfig{Aliases: []string{testAlias}, StateFile: file})
	if err != nil {
		t.Fatal(err)
	}
	id := k.KeyID(testAlias)
	call := func(op, body string) string {
		t.Helper()
		_, reply := rawKMS(t, k, op, body)
		return reply
	}
	call("ScheduleKeyDeletion", `{"KeyId":"`+id+`","PendingWindowInDays":7}`)
	start := time.Now()
	k.now = func() time.Time { return start.AddDate(0, 0, 6) }
	if got := call("DescribeKey", `{"KeyId":"`+id+`"}`); !strings.Contains(got, "PendingDeletion") {
		t.Errorf("after 6 days: %s", got)
	}
	k.now = func() time.Time { return start.AddDate(0, 0, 8) }
	for _, name := range []string{id, testAlias} {
		if got := call("DescribeKey", `{"KeyId":"`+name+`"}`); !strings.Contains(got, "NotFoundException") {
			t.Errorf("after 8 days: %s", got)
		}
	}
	if got := call("ListAliases", `{}`); strings.Contains(got, testAlias) || strings.Contains(readFile(t, file), id) {
		t.Error("something of the key is left")
	}
}

func TestKMSReportsRotation(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	ctx, id := t.Context(), aws.String(r.kms.KeyID(testAlias))
	status := func() *kms.GetKeyRotationStatusOutput {
		t.Helper()
		out, err := r.client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: id})
		r.ok(err)
		return out
	}
	if s := status(); s.KeyRotationEnabled || s.NextRotationDate != nil {
		t.Errorf("at first: %+v", s)
	}
	_, err := r.client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(90)})
	r.ok(err)
	if s := status(); !s.KeyRotationEnabled || *s.RotationPeriodInDays != 90 || time.Until(*s.NextRotationDate) < 89*24*time.Hour {
		t.Errorf("then: %+v", s)
	}
	_, err = r.client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(89)})
	wantKMSCode(t, err, "ValidationException")
}

func TestKMSKeepsAliases(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	ctx, first, second, name := t.Context(), r.newKey(), r.newKey(), aws.String("alias/mine")
	create := func(alias, target string) error {
		_, err := r.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &target})
		return err
	}
	r.ok(create(*name, first))
	blob := r.seal(*name, nil)
	wantKMSError[*types.AlreadyExistsException](t, create(*name, second), "AlreadyExistsException")
	wantKMSError[*types.InvalidAliasNameException](t, create("alias/aws/mine", first), "InvalidAliasNameException")
	wantKMSError[*types.InvalidAliasNameException](t, create("mine", first), "InvalidAliasNameException")
	wantKMSError[notFound](t, create("alias/none", unknownKey), "NotFoundException")
	wantKMSCode(t, create("alias/chain", *name), "ValidationException")

	_, err := r.client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: name, TargetKeyId: aws.String(kmsKeyARN + second)})
	r.ok(err)
	if r.kms.KeyID(*name) != second {
		t.Error("the alias did not move")
	}
	r.opens(first, blob, nil)
	_, err = r.client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/none"), TargetKeyId: &second})
	wantKMSError[notFound](t, err, "NotFoundException")

	_, err = r.client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: name})
	r.ok(err)
	_, err = r.client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: name})
	wantKMSError[notFound](t, err, "NotFoundException")
	_, err = r.open(*name, blob, nil)
	wantKMSError[notFound](t, err, "NotFoundException")
	r.opens("", blob, nil) // the key is still there
}

func TestKMSListsAliasesByPages(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	ctx := t.Context()
	id := r.newKey()
	for i := range 5 {
		_, err := r.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(fmt.Sprintf("alias/page-%d", i)), TargetKeyId: &id})
		r.ok(err)
	}
	var names []string
	pages := kms.NewListAliasesPaginator(r.client, &kms.ListAliasesInput{Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		r.ok(err)
		for _, a := range page.Aliases {
			names = append(names, *a.AliasName)
		}
	}
	if got := strings.Join(names, " "); got != "alias/page-0 alias/page-1 alias/page-2 alias/page-3 alias/page-4 alias/sidekey" {
		t.Errorf("aliases %s", got)
	}
	out, err := r.client.ListAliases(ctx, &kms.ListAliasesInput{KeyId: aws.String(r.kms.KeyID(testAlias))})
	r.ok(err)
	if len(out.Aliases) != 1 || *out.Aliases[0].AliasArn != kmsARN+testAlias || *out.Aliases[0].TargetKeyId != r.kms.KeyID(testAlias) || out.Aliases[0].CreationDate == nil || out.Truncated {
		t.Errorf("aliases of one key: %+v", out.Aliases)
	}
	_, err = r.client.ListAliases(ctx, &kms.ListAliasesInput{Marker: aws.String("?")})
	wantKMSError[*types.InvalidMarkerException](t, err, "InvalidMarkerException")
	_, err = r.client.ListAliases(ctx, &kms.ListAliasesInput{Limit: aws.Int32(101)})
	wantKMSCode(t, err, "ValidationException")
}

func TestKMSDoesNotKnowOtherKeys(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	id := r.kms.KeyID(testAlias)
	for _, name := range []string{
		unknownKey, kmsKeyARN + unknownKey, "alias/none", kmsARN + "alias/none", "nonsense", strings.ToUpper(id), "alias/no such",
		"arn:aws:kms:eu-west-1:000000000000:key/" + id, "arn:aws:kms:us-east-1:111111111111:key/" + id, kmsSecret,
	} {
		_, err := r.client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
		wantKMSError[notFound](t, err, "NotFoundException")
		_, err = r.open(name, r.seal(testAlias, nil), nil)
		wantKMSError[notFound](t, err, "NotFoundException")
	}
}
