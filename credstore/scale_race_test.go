//go:build race

package credstore

const fleetChatbots = 100
