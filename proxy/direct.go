package proxy

// addressDirect finds the provider's own address.
func (x *exchange) addressDirect() *refusal {
	x.plan.Route = RouteNone
	return refused(codeUnsupported)
}
