package detect

// MaxOptions is how many members providerOptions and its gateway object may
// have each. The keys are compared with one another, so there must be a limit.
const MaxOptions = 64

// Options tells where in a body the gateway's options stand that decide who
// pays. All spans are those of values and count from the start of the body.
type Options struct {
	Root    Span // the value of providerOptions
	Gateway Span // the value of gateway in it
	// Null: the value is there, but it is null. Empty: it is an object without
	// members.
	RootNull, RootEmpty, GatewayNull, GatewayEmpty bool

	Byok, Only, Order, Models, Sort, ZeroDataRetention, ProviderTimeouts Span
}

// ScanOptions walks the value of providerOptions in b and fills out. A zero
// span (no providerOptions) gives zero Options. Errors: *OptionsTypeError if
// providerOptions or gateway is neither an object nor null, *DuplicateError if
// any key stands twice in one of the two, ErrTooManyOptions, *SyntaxError. It
// allocates only the error.
func ScanOptions(b []byte, providerOptions Span, out *Options) error {
	*out = Options{Root: providerOptions}
	if !providerOptions.Found() {
		return nil
	}
	var err error
	out.RootNull, out.RootEmpty, err = scanOptions(b, out.Root, 0, out)
	if err != nil || !out.Gateway.Found() {
		return err
	}
	out.GatewayNull, out.GatewayEmpty, err = scanOptions(b, out.Gateway, 1, out)
	return err
}

// optionPaths are the paths of the two objects, outermost first.
var optionPaths = [2]string{"providerOptions", "providerOptions.gateway"}

// scanOptions walks providerOptions (level 0) or gateway (level 1).
func scanOptions(b []byte, value Span, level int, out *Options) (null, empty bool, err error) {
	if value.Is(b, "null") {
		return true, false, nil
	}
	if b[value.Start] != '{' {
		return false, false, &OptionsTypeError{Path: optionPaths[level]}
	}
	var keys [MaxOptions]Span
	n := 0
	o := openObject(b[:value.End], value.Start, level+2)
	for o.next() {
		key := o.key.Of(b)
		name, span := out.member(level, key)
		for _, earlier := range keys[:n] {
			if literalsEqual(earlier.Of(b), key) {
				return false, false, &DuplicateError{Key: optionPaths[level] + "." + name}
			}
		}
		if n == MaxOptions {
			return false, false, ErrTooManyOptions
		}
		keys[n] = o.key
		n++
		if span != nil {
			*span = o.value
		}
	}
	if o.bad >= 0 {
		return false, false, &SyntaxError{Offset: o.bad}
	}
	return false, n == 0, nil
}

// Members calls yield with the key literal and the value of each member of the
// object at s, in order, until yield returns false. Null is an object without
// members. b must be a body that ScanBody and ScanOptions accepted. It
// allocates nothing.
func (s Span) Members(b []byte, yield func(key []byte, value Span) bool) {
	if !s.Found() || b[s.Start] != '{' {
		return
	}
	o := openObject(b[:s.End], s.Start, 1)
	for o.next() && yield(o.key.Of(b), o.value) {
	}
}

// member returns the field for a key literal and its name; nil and "*" if it
// is none that we note.
func (out *Options) member(level int, key []byte) (string, *Span) {
	if level == 0 {
		if literalIs(key, "gateway") {
			return "gateway", &out.Gateway
		}
		return "*", nil
	}
	switch {
	case literalIs(key, "byok"):
		return "byok", &out.Byok
	case literalIs(key, "only"):
		return "only", &out.Only
	case literalIs(key, "order"):
		return "order", &out.Order
	case literalIs(key, "models"):
		return "models", &out.Models
	case literalIs(key, "sort"):
		return "sort", &out.Sort
	case literalIs(key, "zeroDataRetention"):
		return "zeroDataRetention", &out.ZeroDataRetention
	case literalIs(key, "providerTimeouts"):
		return "providerTimeouts", &out.ProviderTimeouts
	}
	return "*", nil
}
