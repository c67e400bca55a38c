package proxy

// addressBYOI finds the owner's own endpoint.
func (x *exchange) addressBYOI() *refusal {
	x.plan.Route = RouteNone
	return refused(codeUnsupported)
}
