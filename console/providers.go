package console

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// panel are the providers of the BYOK panel, in its order.
var panel = []provider.Slug{provider.OpenAI, provider.Anthropic, provider.Google, provider.Mistral, provider.XAI, provider.DeepSeek,
	provider.Perplexity, provider.Cohere, provider.Vertex, provider.Bedrock, provider.Azure}

// A providerRow says how the key of a provider is asked for.
type providerRow struct {
	Slug     provider.Slug `json:"slug"`
	Name     string        `json:"name"`
	Panel    bool          `json:"panel"`
	Testable bool          `json:"testable"`
	Fields   []field       `json:"fields"`
}

// A field is one input of a key's form.
type field struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Secret   bool   `json:"secret"`
	Required bool   `json:"required"`
	Help     string `json:"help"`
}

func (k *call) listProviders() (*reply, error) {
	out := page[providerRow]{Items: []providerRow{}}
	add := func(p *provider.Provider, onPanel bool) {
		out.Items = append(out.Items, providerRow{p.Slug, p.Name, onPanel, p.Checkable(), fieldsOf(p)})
	}
	for _, slug := range panel {
		if p, ok := provider.Lookup(slug); ok {
			add(p, true)
		}
	}
	for _, p := range provider.All() {
		if !slices.Contains(panel, p.Slug) {
			add(p, false)
		}
	}
	return ok(out), nil
}

// fieldsOf are the inputs of a provider's form. credential puts them together.
func fieldsOf(p *provider.Provider) []field {
	switch p.Credential {
	case provider.ServiceAccount:
		return []field{
			{"serviceAccount", "Service account key", true, true, "The JSON file that Google Cloud makes for a service account's key: paste all of it."},
			{"location", "Location", false, false, "A region such as europe-west4. Left out: the gateway's own choice."},
		}
	case provider.AWSKeys:
		return []field{
			{"region", "Region", false, true, "Such as us-east-1."},
			{"accessKeyId", "Access key ID", true, false, "Of an IAM user, with its secret access key. Or give a Bedrock API key instead."},
			{"secretAccessKey", "Secret access key", true, false, "Belongs to the access key ID."},
			{"sessionToken", "Session token", true, false, "Only for temporary keys, which stop working when it ends."},
			{"apiKey", "Bedrock API key", true, false, "In the place of the access key."},
		}
	case provider.AzureKey:
		return []field{
			{"apiKey", "API key", true, true, "Key 1 or key 2 of the Azure OpenAI resource."},
			{"resourceName", "Resource name", false, true, "The first part of https://NAME.openai.azure.com."},
			{"modelMappings", "Deployments", false, false, "One a line, model=deployment, such as gpt-4.1=my-deployment. Left out: deployments are called like their models."},
		}
	}
	return []field{{"key", "API key", true, true, ""}}
}

// credential puts the fields of a form together to what provider normalises.
// Empty fields count as left out.
func credential(p *provider.Provider, fields map[string]credstore.Secret) (credstore.Secret, error) {
	var none credstore.Secret
	known := fieldsOf(p)
	var errs []fieldError
	for name := range fields {
		if !slices.ContainsFunc(known, func(f field) bool { return f.Name == name }) {
			errs = append(errs, fieldError{"fields." + shownName(name), "is not a field of " + p.Name})
		}
	}
	texts := map[string]string{}
	for _, f := range known {
		text := string(bytes.TrimSpace(fields[f.Name].Reveal()))
		if text != "" {
			texts[f.Name] = text
		} else if f.Required {
			errs = append(errs, fieldError{"fields." + f.Name, "is missing"})
		}
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b fieldError) int { return strings.Compare(a.Field, b.Field) })
		return none, invalid(errs...)
	}
	switch p.Credential {
	case provider.ServiceAccount:
		return serviceAccount(texts)
	case provider.AzureKey:
		return azure(texts)
	case provider.AWSKeys:
		return secretJSON(texts), nil
	}
	return credstore.NewSecret([]byte(texts["key"])), nil
}

// serviceAccount adds the location to the pasted file.
func serviceAccount(texts map[string]string) (credstore.Secret, error) {
	if texts["location"] == "" {
		return credstore.NewSecret([]byte(texts["serviceAccount"])), nil
	}
	var file map[string]json.RawMessage
	if json.Unmarshal([]byte(texts["serviceAccount"]), &file) != nil || file == nil {
		return credstore.Secret{}, invalid(fieldError{"fields.serviceAccount", "must be a JSON object: paste the whole file"})
	}
	if _, there := file["location"]; there {
		return credstore.Secret{}, invalid(fieldError{"fields.location", "is in the pasted JSON as well; give it once"})
	}
	file["location"], _ = json.Marshal(texts["location"])
	return secretJSON(file), nil
}

// azure makes the list of deployments of its lines.
func azure(texts map[string]string) (credstore.Secret, error) {
	out := map[string]any{"apiKey": texts["apiKey"], "resourceName": texts["resourceName"]}
	var list []map[string]string
	for line := range strings.Lines(texts["modelMappings"]) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		model, deployment, ok := strings.Cut(line, "=")
		if !ok {
			return credstore.Secret{}, invalid(fieldError{"fields.modelMappings", "must have lines of the form model=deployment"})
		}
		list = append(list, map[string]string{"gatewayModelSlug": strings.TrimSpace(model), "customModelId": strings.TrimSpace(deployment)})
	}
	if list != nil {
		out["modelMappings"] = list
	}
	return secretJSON(out), nil
}

func secretJSON(v any) credstore.Secret {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: console: " + err.Error()) // maps of texts
	}
	defer clear(b)
	return credstore.NewSecret(b)
}

// credentialErrors names the field of each problem of a credential. A problem
// begins with the field's name where it has one; it never holds a value.
func credentialErrors(e *provider.CredentialError) []fieldError {
	p, ok := provider.Lookup(e.Slug)
	if !ok {
		return []fieldError{{"fields", strings.Join(e.Problems, "; ")}}
	}
	known := fieldsOf(p)
	out := make([]fieldError, len(e.Problems))
	for i, words := range e.Problems {
		out[i] = fieldError{"fields." + known[0].Name, words} // the key, or the pasted file
		for _, f := range known {
			if rest, ok := strings.CutPrefix(words, f.Name); ok && (rest == "" || rest[0] == ' ' || rest[0] == '[') {
				out[i] = fieldError{"fields." + f.Name, strings.TrimSpace(rest)}
			}
		}
	}
	return out
}
