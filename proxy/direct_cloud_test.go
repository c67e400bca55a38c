package proxy

import "fmt"

const (
	awsID     = "AKIACANARY0123456789"
	awsSecret = "CANARY/aws+secret+7f3a9b2c4d5e6f708192a3b4"
	awsToken  = "CANARY-session-token-91827364554637281909"
)

// bedrockKey is a stored credential that signs, with a session token if there
// is one.
func bedrockKey(token string) string {
	if token != "" {
		token = `"sessionToken":"` + token + `",`
	}
	return fmt.Sprintf(`{"accessKeyId":%q,"secretAccessKey":%q,%s"region":"eu-west-1"}`, awsID, awsSecret, token)
}
