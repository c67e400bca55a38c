package proxy

// handshake is what a client says to ask for a WebSocket (the example of RFC
// 6455 section 1.2).
var handshake = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
