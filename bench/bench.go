// Package bench answers what a proxy costs: it puts the same load on an upstream
// directly and through each proxy, in turns, and reports what each of them adds.
//
// It is for load testers and for sidekey's own development, and knows nothing
// of sidekey: it speaks HTTP only, so that it measures the program that ships,
// and any other proxy as well.
//
// The rule of use: never quote a number without the run's file of results. It
// holds machine, settings and the spread over the rounds.
//
// The danger is a driver that measures itself. A round in which the driver or
// the upstream was the limit says so and does not count.
package bench
