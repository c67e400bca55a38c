package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// An addressError refuses an address of an owner's endpoint. It names the host
// and what it resolved to.
type addressError struct {
	host string
	ip   netip.Addr
	why  error
}

func (e *addressError) Error() string {
	kind := special(e.ip)
	if kind == "" {
		kind = "public"
	}
	return fmt.Sprintf("the owner's endpoint %s has the address %s, %s: %v", e.host, e.ip, kind, e.why)
}

// dial opens a connection to an origin that an owner chose. The address is
// judged in the dialler's control function, right before the system connects to
// it: between that and a look-up of our own, the name could change what it
// stands for (DNS rebinding). Each of a name's addresses is judged for itself.
func (a *allowList) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	verdict := a.host(host)
	var refused atomic.Pointer[addressError] // both address families are tried at a time
	d := net.Dialer{KeepAlive: 30 * time.Second, ControlContext: func(_ context.Context, _, real string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(real)
		if err != nil {
			return err
		}
		if why := a.check(verdict, to.Addr()); why != nil {
			e := &addressError{host, to.Addr(), why}
			refused.Store(e)
			return e
		}
		return nil
	}}
	conn, err := d.DialContext(ctx, network, address)
	if e := refused.Load(); e != nil && err != nil {
		if told := new(addressError); errors.As(err, &told) {
			return nil, e
		}
		return nil, errors.Join(e, err) // what it says is about another address
	}
	return conn, err
}
