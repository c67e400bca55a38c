//go:build !race

package credstore

// fleetChatbots is the scale at which the bill is counted. The race detector
// makes the SDK ten times slower, so with it the scale is smaller; .ci/run
// counts without it as well.
const fleetChatbots = 1000
