package proxy

// A spot is where in a reply a judge is, or what the coming value is. Where
// nothing that counts can stand it is nowhere, and what is there is skipped.
type spot uint8

const (
	nowhere spot = iota
	// Objects.
	atRoot
	atHolder // may have metadata: a message, a delta, a response
	atChoice
	atMetadata
	atGateway
	atRouting
	atModelAttempt
	atAttempt
	atResponse   // a holder that may have usage as well
	atEnvelope   // Anthropic's message, in message_start: may have usage
	atUsage      // token counts
	atCountIn    // the AI SDK's counts of one direction: an object ...
	atCountOut   // ... or, in its older form, a number
	atCountParts // OpenAI's details
	atItem       // of Gemini's list
	// Arrays.
	atList // Gemini's stream where no events were asked for
	atChoices
	atModelAttempts
	atNested // modelAttempts[].providerAttempts
	atFlat   // the older attempts
	// Members of an attempt.
	atProvider
	atCredential
	atSuccess
	atStatus
	// Numbers of usage, in the order of tokenCounts.
	atTokens
)

func (at spot) object() bool { return atRoot <= at && at <= atItem }
func (at spot) array() bool  { return atList <= at && at <= atFlat }
func (at spot) text() bool   { return at == atProvider || at == atCredential }

// element is what an array's elements are.
func (at spot) element() spot {
	switch at {
	case atList:
		return atItem
	case atChoices:
		return atChoice
	case atModelAttempts:
		return atModelAttempt
	case atNested, atFlat:
		return atAttempt
	}
	return nowhere
}

// member is the spot of a member of the object at, by its name. lines says
// that the document is a line of a batch result.
func (at spot) member(name []byte, lines bool) spot {
	switch at {
	case atRoot, atHolder, atResponse:
		switch string(name) {
		case "providerMetadata", "provider_metadata":
			return atMetadata
		case "choices":
			return when(at == atRoot, atChoices)
		case "response":
			if lines {
				return when(at == atRoot, atHolder)
			}
			return when(at == atRoot, atResponse)
		case "result":
			return when(at == atRoot && lines, atHolder)
		case "message":
			return when(at == atRoot && !lines, atEnvelope)
		case "usage":
			// Of a batch's lines it is not counted: they can be fetched again.
			return when(at != atHolder && !lines, atUsage)
		case "usageMetadata":
			return when(at == atRoot && !lines, atUsage)
		}
	case atEnvelope:
		return when(string(name) == "usage", atUsage)
	case atItem:
		return when(string(name) == "usageMetadata", atUsage)
	case atUsage, atCountIn, atCountOut, atCountParts:
		return at.count(name)
	case atChoice:
		if s := string(name); s == "message" || s == "delta" {
			return atHolder
		}
	case atMetadata:
		return when(string(name) == "gateway", atGateway)
	case atGateway:
		return when(string(name) == "routing", atRouting)
	case atRouting:
		switch string(name) {
		case "modelAttempts":
			return atModelAttempts
		case "attempts":
			return atFlat
		}
	case atModelAttempt:
		return when(string(name) == "providerAttempts", atNested)
	case atAttempt:
		switch string(name) {
		case "provider":
			return atProvider
		case "credentialType":
			return atCredential
		case "success":
			return atSuccess
		case "statusCode":
			return atStatus
		}
	}
	return nowhere
}

func when(ok bool, at spot) spot {
	if ok {
		return at
	}
	return nowhere
}

// maxSpots is how deep the spots lie: root, choices, choice, message,
// metadata, gateway, routing, modelAttempts, one of them, providerAttempts, one
// of them.
const maxSpots = 11
