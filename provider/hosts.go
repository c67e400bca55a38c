package provider

// hosts is the rest of the table: the gateway's other providers (its provider
// list of September 2026). Their keys can be stored and handed over, but no
// free check is known. A row has a header only where Bearer or another header
// is the documented norm, and a base URL only where it is the same for every
// key (not by region, account or deployment).
var hosts = []*Provider{
	{
		Slug: "alibaba", Name: "Alibaba Cloud", Creators: []string{"alibaba", "qwen", "dashscope"},
		Auth: bearer, // one host for each region, and keys are bound to the region
	},
	{Slug: "arcee-ai", Name: "Arcee AI", Creators: []string{"arcee-ai", "arcee"}, Auth: bearer},
	{
		Slug: "baseten", Name: "Baseten", Creators: []string{"baseten"},
		Auth: bearer, BaseURL: "https://inference.baseten.co/v1",
	},
	{
		Slug: "bfl", Name: "Black Forest Labs", Creators: []string{"bfl", "black-forest-labs"},
		Auth: Auth{Header: "X-Key"},
	},
	{Slug: "bytedance", Name: "ByteDance", Creators: []string{"bytedance", "bytedance-seed"}, Auth: bearer},
	{
		Slug: "cerebras", Name: "Cerebras", Creators: []string{"cerebras"},
		Auth: bearer, BaseURL: "https://api.cerebras.ai/v1",
	},
	// An AWS signature, or a key together with a workspace id and a region.
	{Slug: "claudeaws", Name: "Claude Platform on AWS", Creators: []string{"claudeaws", "anthropic-aws"}},
	{Slug: "crusoe", Name: "Crusoe", Creators: []string{"crusoe"}, Auth: bearer},
	{
		Slug: "deepinfra", Name: "DeepInfra", Creators: []string{"deepinfra"},
		Auth: bearer, BaseURL: "https://api.deepinfra.com/v1/openai",
	},
	{
		Slug: "digitalocean", Name: "DigitalOcean", Creators: []string{"digitalocean"},
		Auth: bearer, BaseURL: "https://inference.do-ai.run/v1",
	},
	{
		Slug: "fireworks", Name: "Fireworks AI", Creators: []string{"fireworks", "fireworks_ai", "fireworks-ai"},
		Auth: bearer, BaseURL: "https://api.fireworks.ai/inference/v1",
	},
	{
		Slug: "fish-audio", Name: "Fish Audio", Creators: []string{"fish-audio", "fishaudio"},
		Auth: bearer, NativeURL: "https://api.fish.audio",
	},
	{
		Slug: "friendli", Name: "FriendliAI", Creators: []string{"friendli", "friendliai"},
		Auth: bearer, BaseURL: "https://api.friendli.ai/serverless/v1",
	},
	{Slug: "gmicloud", Name: "GMI Cloud", Creators: []string{"gmicloud", "gmi"}, Auth: bearer},
	{
		Slug: "inception", Name: "Inception", Creators: []string{"inception"},
		Auth: bearer, BaseURL: "https://api.inceptionlabs.ai/v1",
	},
	// A token signed with an access key and a secret.
	{Slug: "klingai", Name: "Kling AI", Creators: []string{"klingai", "kling"}},
	{Slug: "meta", Name: "Meta", Creators: []string{"meta", "meta-llama"}, Auth: bearer},
	{Slug: "minimax", Name: "MiniMax", Creators: []string{"minimax", "minimaxai"}, Auth: bearer},
	{Slug: "modal", Name: "Modal", Creators: []string{"modal"}},
	{
		Slug: "moonshotai", Name: "Moonshot AI", Creators: []string{"moonshotai", "moonshot"},
		Auth: bearer, // .ai and .cn are two services with different keys
	},
	{
		Slug: "morph", Name: "Morph", Creators: []string{"morph"},
		Auth: bearer, BaseURL: "https://api.morphllm.com/v1",
	},
	{Slug: "nebius", Name: "Nebius", Creators: []string{"nebius"}, Auth: bearer},
	{Slug: "novita", Name: "Novita AI", Creators: []string{"novita", "novita-ai"}, Auth: bearer},
	{Slug: "parallel", Name: "Parallel", Creators: []string{"parallel"}, Auth: xAPIKey},
	{
		Slug: "parasail", Name: "Parasail", Creators: []string{"parasail"},
		Auth: bearer, BaseURL: "https://api.parasail.io/v1",
	},
	{Slug: "poolside", Name: "Poolside", Creators: []string{"poolside"}, Auth: bearer},
	{Slug: "prodia", Name: "Prodia", Creators: []string{"prodia"}, Auth: bearer},
	{
		Slug: "recraft", Name: "Recraft", Creators: []string{"recraft", "recraft-ai"},
		Auth: bearer, BaseURL: "https://external.api.recraft.ai/v1",
	},
	{
		Slug: "sambanova", Name: "SambaNova", Creators: []string{"sambanova"},
		Auth: bearer, BaseURL: "https://api.sambanova.ai/v1",
	},
	{Slug: "stepfun", Name: "StepFun", Creators: []string{"stepfun", "stepfun-ai"}, Auth: bearer},
	{Slug: "tencent", Name: "Tencent", Creators: []string{"tencent"}, Auth: bearer},
	{
		Slug: "togetherai", Name: "Together AI", Creators: []string{"togetherai", "together_ai", "together"},
		Auth: bearer, BaseURL: "https://api.together.xyz/v1",
	},
	{
		Slug: "voyage", Name: "Voyage AI", Creators: []string{"voyage", "voyageai"},
		Auth: bearer, NativeURL: "https://api.voyageai.com/v1",
	},
	{Slug: "wafer", Name: "Wafer", Creators: []string{"wafer"}},
	{Slug: "xiaomi", Name: "Xiaomi", Creators: []string{"xiaomi"}, Auth: bearer},
	{
		Slug: "zai", Name: "Z.ai", Creators: []string{"zai", "z-ai"},
		Auth: bearer, BaseURL: "https://api.z.ai/api/paas/v4",
	},
}
