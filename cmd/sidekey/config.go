package main

import "time"

// A Config is the shape of the file, key by key (config.example.yaml is its
// manual). It holds references to secrets, never a secret. The sections'
// meaning belongs to the packages that use them; compile.go hands it over.
type Config struct {
	Listen    string    `mapstructure:"listen"`
	ListenTLS ListenTLS `mapstructure:"listen_tls"`
	Admin     Admin     `mapstructure:"admin"`
	Identity  Identity  `mapstructure:"identity"`
	Gateway   Gateway   `mapstructure:"gateway"`
	BYOK      BYOK      `mapstructure:"byok"`
	BYOI      BYOI      `mapstructure:"byoi"`
	Direct    Direct    `mapstructure:"direct"`
	Store     Store     `mapstructure:"store"`
	Cache     Cache     `mapstructure:"cache"`
	Detect    Detect    `mapstructure:"detect"`
	Limits    Limits    `mapstructure:"limits"`
	Timeouts  Timeouts  `mapstructure:"timeouts"`
	Log       Log       `mapstructure:"log"`
	Telemetry Telemetry `mapstructure:"telemetry"`
	Console   Console   `mapstructure:"console"`
}

// A Ref points at a secret (or a public key): env:NAME or file:/path.
type Ref string

// A Size is a number of bytes, written with a unit: 64MiB.
type Size int64

// ListenTLS makes the proxy's listener speak TLS; with ClientCAFile only to
// clients that show a certificate from that authority (mutual TLS).
type ListenTLS struct {
	CertFile     string `mapstructure:"cert_file"`
	KeyFile      string `mapstructure:"key_file"`
	ClientCAFile string `mapstructure:"client_ca_file"`
}

// Admin is where operators and probes knock.
type Admin struct {
	Listen string `mapstructure:"listen"`
}

// Identity says how a request tells which chatbot it comes from.
type Identity struct {
	Mode    string         `mapstructure:"mode"`
	Chatbot string         `mapstructure:"chatbot"`
	Token   IdentityToken  `mapstructure:"token"`
	Header  IdentityHeader `mapstructure:"header"`
}

// IdentityToken holds what tokens are verified with.
type IdentityToken struct {
	Secret     Ref `mapstructure:"secret"`
	PublicKeys Ref `mapstructure:"public_keys"`
}

// IdentityHeader names the trusted header.
type IdentityHeader struct {
	Name string `mapstructure:"name"`
}

// Gateway is the upstream that all but direct and BYOI calls go to.
type Gateway struct {
	URL             string   `mapstructure:"url"`
	Dialect         string   `mapstructure:"dialect"`
	Key             Ref      `mapstructure:"key"`
	OwnerTrafficKey Ref      `mapstructure:"owner_traffic_key"`
	AuthHeader      string   `mapstructure:"auth_header"`
	Headers         []Header `mapstructure:"headers"`
	Expose          []string `mapstructure:"expose"`
	Multipart       string   `mapstructure:"multipart"`
	Warm            int      `mapstructure:"warm"`
	CAFile          string   `mapstructure:"ca_file"`
}

// A Header is a name and a value, in a list and not a map because viper
// lower-cases the keys of maps.
type Header struct {
	Name  string `mapstructure:"name"`
	Value string `mapstructure:"value"`
}

// BYOK says what is done with an owner's key.
type BYOK struct {
	Route         string        `mapstructure:"route"`
	Routes        []RouteRule   `mapstructure:"routes"`
	Guard         string        `mapstructure:"guard"`
	GuardUnknown  string        `mapstructure:"guard_unknown"`
	GuardWindow   Size          `mapstructure:"guard_window"`
	GuardCooldown time.Duration `mapstructure:"guard_cooldown"`
}

// A RouteRule gives one provider's keys a route of their own.
type RouteRule struct {
	Provider string `mapstructure:"provider"`
	Route    string `mapstructure:"route"`
}

// Direct says how providers are called directly.
type Direct struct {
	Models []ModelName `mapstructure:"models"`
}

// A ModelName is what a provider calls a model of the gateway.
type ModelName struct {
	Model string `mapstructure:"model"`
	ID    string `mapstructure:"id"`
}

// BYOI says where owners' own endpoints may stand.
type BYOI struct {
	Allow []string `mapstructure:"allow"`
}

// Store says where the records are.
type Store struct {
	Kind  string     `mapstructure:"kind"`
	Local StoreLocal `mapstructure:"local"`
	AWS   StoreAWS   `mapstructure:"aws"`
}

// StoreAWS is a DynamoDB table with a KMS key.
type StoreAWS struct {
	Table  string `mapstructure:"table"`
	KMSKey string `mapstructure:"kms_key"`
	Region string `mapstructure:"region"`
}

// StoreLocal is the embedded store.
type StoreLocal struct {
	Dir    string `mapstructure:"dir"`
	Keyset Ref    `mapstructure:"keyset"`
}

// Cache bounds how long a key is used without asking the store.
type Cache struct {
	TTL         time.Duration `mapstructure:"ttl"`
	StaleLimit  time.Duration `mapstructure:"stale_limit"`
	Recheck     time.Duration `mapstructure:"recheck"`
	MaxChatbots int           `mapstructure:"max_chatbots"`
}

// Detect holds the operator's own rules.
type Detect struct {
	Rules []Rule `mapstructure:"rules"`
}

// A Rule gives the models that match to a provider.
type Rule struct {
	Match    string `mapstructure:"match"`
	Provider string `mapstructure:"provider"`
}

// Limits bound what a client can make the sidecar hold.
type Limits struct {
	Body        Size          `mapstructure:"body"`
	Header      Size          `mapstructure:"header"`
	ScanWindow  Size          `mapstructure:"scan_window"`
	Connections int           `mapstructure:"connections"`
	HalfClose   string        `mapstructure:"half_close"`
	Drain       time.Duration `mapstructure:"drain"`
	DrainDelay  time.Duration `mapstructure:"drain_delay"`
}

// Timeouts bound how long each step may take.
type Timeouts struct {
	Dial         time.Duration `mapstructure:"dial"`
	Write        time.Duration `mapstructure:"write"`
	HeaderWait   time.Duration `mapstructure:"header_wait"`
	Idle         time.Duration `mapstructure:"idle"`
	ClientHeader time.Duration `mapstructure:"client_header"`
	ClientBody   time.Duration `mapstructure:"client_body"`
	ClientIdle   time.Duration `mapstructure:"client_idle"`
}

// Console is the owners' API and page. Sidecars do not use it, nor read its
// secrets.
type Console struct {
	Listen string      `mapstructure:"listen"`
	Auth   ConsoleAuth `mapstructure:"auth"`
	Notify []string    `mapstructure:"notify"`
}

// ConsoleAuth holds what sign-ins are verified with.
type ConsoleAuth struct {
	Secret     Ref `mapstructure:"secret"`
	PublicKeys Ref `mapstructure:"public_keys"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
	Sample int    `mapstructure:"sample"`
}

// Telemetry says what is measured beside what always is, and whether and where
// generations are told as OpenTelemetry spans.
type Telemetry struct {
	Usage         string       `mapstructure:"usage"`
	Endpoint      string       `mapstructure:"endpoint"`
	Auth          Ref          `mapstructure:"auth"`
	SamplePercent int          `mapstructure:"sample_percent"`
	Prices        []TokenPrice `mapstructure:"prices"`
}

// A TokenPrice is what a million tokens of some models cost, in US dollars.
type TokenPrice struct {
	Match  string `mapstructure:"match"`
	Input  string `mapstructure:"input"`
	Cached string `mapstructure:"cached"`
	Output string `mapstructure:"output"`
}

// DefaultConfig is what an absent file means.
func DefaultConfig() Config {
	return Config{
		Listen:   "127.0.0.1:8787",
		Admin:    Admin{Listen: "127.0.0.1:8788"},
		Identity: Identity{Mode: "fixed", Chatbot: "demo", Header: IdentityHeader{Name: "x-chatbot-id"}},
		Gateway:  Gateway{URL: "https://ai-gateway.vercel.sh", Dialect: "vercel", Multipart: "refuse", Warm: 2},
		BYOK:     BYOK{Route: "gateway", Guard: "strict", GuardUnknown: "pass", GuardWindow: 4 << 20, GuardCooldown: 15 * time.Minute},
		Store:    Store{Kind: "local", Local: StoreLocal{Dir: "./sidekey-data"}, AWS: StoreAWS{Table: "sidekey", KMSKey: "alias/sidekey"}},
		Cache: Cache{
			TTL: 5 * time.Minute, StaleLimit: time.Hour, Recheck: time.Hour, MaxChatbots: 10_000,
		},
		Limits: Limits{
			Body: 64 << 20, Header: 32 << 10, ScanWindow: 1 << 20, Connections: 20_000, HalfClose: "close", Drain: 10 * time.Minute,
		},
		Timeouts: Timeouts{
			Dial: 5 * time.Second, Write: 30 * time.Second, HeaderWait: 10 * time.Minute, Idle: 5 * time.Minute,
			ClientHeader: 10 * time.Second, ClientBody: time.Minute, ClientIdle: 90 * time.Second,
		},
		Log:       Log{Level: "info", Format: "auto", Sample: 1},
		Telemetry: Telemetry{SamplePercent: 100, Usage: "plain"},
		Console:   Console{Listen: "127.0.0.1:8789"},
	}
}
