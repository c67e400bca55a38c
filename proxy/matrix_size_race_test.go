//go:build race

package proxy

const (
	matrixStep = 60
	pinBodies  = 1500
)
