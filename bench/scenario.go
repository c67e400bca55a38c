package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A step is one request and what is done about its reply.
type step struct {
	*request
	fresh bool // on a connection of its own, closed after the reply
	leave bool // the reader goes away after the first event
}

// A scenario is a fixed order of steps, dealt to the workers as they ask, again
// from the first when all have been dealt. So every target gets the same
// requests in the same order.
type scenario struct {
	steps   []step
	streams bool // each step's reply is a stream
}

func (s *scenario) step(number int64) step { return s.steps[number%int64(len(s.steps))] }

// The names are exact: results are compared by them.
const (
	ScenarioChat     = "chat"
	ScenarioLong     = "long"
	ScenarioImage    = "image"
	ScenarioStream   = "stream"
	ScenarioMixed    = "mixed"
	ScenarioChurn    = "churn"
	ScenarioCold     = "cold"
	ScenarioRecorded = "recorded"
)

// A ScenarioKind says what a scenario is for, for those who choose one.
type ScenarioKind struct{ Name, Sends string }

// Scenarios are all that can be asked for by name.
var Scenarios = []ScenarioKind{
	{ScenarioChat, "a request of 2 KB, a reply of 1.2 KB"},
	{ScenarioLong, "a request of 100 KB, a reply of 1.2 KB"},
	{ScenarioImage, "a request of 5 MB, a reply of 1.2 KB"},
	{ScenarioStream, "a request of 2 KB, a stream of --events events at --event-rate"},
	{ScenarioMixed, "of 100 requests 70 chat, 20 stream, 9 long, 1 image"},
	{ScenarioChurn, "a new connection for each request; one in four asks for a stream and leaves after its first event"},
	{ScenarioCold, "chat, where each request names a chatbot that was never seen before"},
}

// scenarioNames are the names alone.
func scenarioNames() []string {
	var names []string
	for _, s := range Scenarios {
		names = append(names, s.Name)
	}
	return names
}

const (
	chatBytes  = 2 << 10
	longBytes  = 100 << 10
	imageBytes = 5 << 20
)

// coldDigits is the width of the number in a new chatbot's name.
const coldDigits = 12

// scenario makes the steps of a scenario for one target.
func (p *Plan) scenario(name string, e endpoint) *scenario {
	fields := append([]string{"Content-Type: application/json", "Accept: */*"}, p.Header...)
	post := func(body []byte, more ...string) *request {
		return newRequest(e, "POST", e.path, append(fields[:len(fields):len(fields)], more...), body)
	}
	rhythm := Rhythm{Events: p.Events, Rate: p.EventRate, Burst: p.Burst}
	chat := step{request: post(chatBody(chatBytes, false))}
	switch name {
	case ScenarioLong:
		return &scenario{steps: []step{{request: post(chatBody(longBytes, false))}}}
	case ScenarioImage:
		return &scenario{steps: []step{{request: post(imageBody(imageBytes))}}}
	case ScenarioStream:
		return &scenario{steps: []step{{request: post(chatBody(chatBytes, true), rhythm.field())}}, streams: true}
	case ScenarioMixed:
		return mixed(map[int]step{
			70: chat,
			20: {request: post(chatBody(chatBytes, true), rhythm.field())},
			9:  {request: post(chatBody(longBytes, false))},
			1:  {request: post(imageBody(imageBytes))},
		})
	case ScenarioChurn:
		chat.fresh = true
		leaving := step{request: post(chatBody(chatBytes, true), Rhythm{Events: 50, Rate: 50, Burst: 1}.field()), fresh: true, leave: true}
		return &scenario{steps: []step{chat, chat, chat, leaving}}
	case ScenarioCold:
		prefix := fmt.Sprintf("bench-%08x-", rand.Uint32()) // a run before this one named others
		q := post(chatBody(chatBytes, false), p.ColdHeader+": "+prefix+strings.Repeat("0", coldDigits))
		q.digits = strings.Index(string(q.bytes), prefix) + len(prefix)
		return &scenario{steps: []step{{request: q}}}
	case ScenarioRecorded:
		return p.recorded(e)
	}
	return &scenario{steps: []step{chat}}
}

// mixed puts a hundred steps into an order that looks like chance, and is the
// same each time.
func mixed(weights map[int]step) *scenario {
	var steps []step
	for _, weight := range []int{70, 20, 9, 1} {
		for range weight {
			steps = append(steps, weights[weight])
		}
	}
	order := rand.New(rand.NewPCG(1, 2))
	order.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return &scenario{steps: steps}
}
