package main

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/credstore"
)

// complaintPause is how long nothing more is said of one reason.
const complaintPause = 10 * time.Second

// complaints tell the log why keys cannot be loaded: a line for each reason, and
// then none of that reason for complaintPause. An outage befalls all chatbots at
// once, and each tries again every few seconds: a thousand of them would write
// thousands of lines a minute, all the same. Those that are refused are named in
// the access lines all the same, each with its cause.
type complaints struct {
	log zerolog.Logger

	mu   sync.Mutex
	said map[string]*complaint // by credstore.Reason; there are few
}

// A complaint is what was said of one reason.
type complaint struct {
	at   time.Time // of the last line
	more int       // failures since, about which nothing was said
}

func newComplaints(log zerolog.Logger) *complaints {
	return &complaints{log: log, said: map[string]*complaint{}}
}

// note implements credstore.CacheConfig.OnError.
func (c *complaints) note(chatbot string, err error) {
	more, tell := c.due(credstore.Reason(err))
	if !tell {
		return
	}
	event := c.log.Warn().Str("chatbot", chatbot).Err(err).
		Str("remedy", "repair what the error names; until then cached keys serve on, others are refused, and nobody else pays; sidekey store status checks each permission")
	if more > 0 {
		event.Int("unlogged", more)
	}
	event.Msg("keys could not be loaded")
}

// due reports whether it is time for a line, and how many failures of that
// reason had none since the last.
func (c *complaints) due(reason string) (more int, tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.said[reason]
	if last != nil && time.Since(last.at) < complaintPause {
		last.more++
		return 0, false
	}
	c.said[reason] = &complaint{at: time.Now()}
	if last != nil {
		more = last.more
	}
	return more, true
}
