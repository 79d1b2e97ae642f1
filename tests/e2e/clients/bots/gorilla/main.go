// gorilla TOKEN [bare]: with `bare`, a Dialer that was given no Proxy.
package main

import (
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

func must(err error) {
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

func main() {
	dialer := websocket.DefaultDialer
	if len(os.Args) > 2 && os.Args[2] == "bare" {
		dialer = &websocket.Dialer{}
	}
	ws, _, err := dialer.Dial("wss://gateway.discord.gg/?v=10&encoding=json", nil)
	must(err)
	read := func() string {
		_, text, err := ws.ReadMessage()
		must(err)
		return string(text)
	}
	read()
	must(ws.WriteMessage(websocket.TextMessage, []byte(`{"op":1,"d":null}`)))
	identify := `{"op":2,"d":{"token":"` + os.Args[1] + `","intents":1,"properties":{"os":"linux"}}}`
	must(ws.WriteMessage(websocket.TextMessage, []byte(identify)))
	for !strings.Contains(read(), `"READY"`) {
	}
	time.Sleep(time.Minute)
}
