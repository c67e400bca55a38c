//go:build !linux

package bench

func (m *Machine) look() {}
