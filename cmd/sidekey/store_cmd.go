package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/credstore"
)

func (a *app) storeCommand() *cobra.Command {
	return group("store", "Make the store, check what this machine may do in it, move it", a.storeInit(), a.storeStatus(), a.storeMigrate())
}

// openAWS makes the clients for the configured table and key.
func (ld *loaded) openAWS(ctx context.Context) (*credstore.AWS, error) {
	c := &ld.Config.Store.AWS
	return credstore.OpenAWS(ctx, credstore.AWSConfig{Table: c.Table, KMSKey: c.KMSKey, Region: c.Region, SDK: ld.sdk})
}

// localConfig is the configured local store.
func (ld *loaded) localConfig() credstore.LocalConfig {
	return credstore.LocalConfig{Dir: ld.Config.Store.Local.Dir, Keyset: ld.Secrets["store.local.keyset"]}
}

// progressPace is how often somebody who waits is told that it goes on.
const progressPace = 2 * time.Second

// A progress tells on standard error what takes long, from the second second
// on.
type progress struct {
	doing atomic.Pointer[string]
	stop  chan struct{}
	done  chan struct{}
}

func startProgress(w io.Writer, pace time.Duration) *progress {
	p := &progress{stop: make(chan struct{}), done: make(chan struct{})}
	go func() { // ends with end
		defer close(p.done)
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if s := p.doing.Load(); s != nil {
					fmt.Fprintf(w, "%s ...\n", *s)
				}
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

// say sets what is being done.
func (p *progress) say(what string) { p.doing.Store(&what) }

func (p *progress) end() {
	close(p.stop)
	<-p.done
}
