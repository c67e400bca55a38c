//go:build !race

package proxy

// All cells are tried. The race detector makes them ten times slower, so with it
// there is a sample; .ci/run runs all of them without it as well.
const (
	matrixStep = 1
	pinBodies  = 6000
)
