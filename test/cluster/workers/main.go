// An egress and an ingress worker without media, over livekit's published Go library.
//
// `workers <redis address>` takes whatever it is asked, says so in lines on standard output, and tells the servers of it as
// real workers do. Lines on standard input make it ask the servers; the outcome is a line with the same id.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
)

type line struct {
	ID      int             `json:"id,omitempty"`
	Event   string          `json:"event,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Code    string          `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
}

var (
	printing sync.Mutex
	printer  = json.NewEncoder(os.Stdout)
)

func print(l line) {
	printing.Lock()
	defer printing.Unlock()
	check(printer.Encode(l))
}

func tell(event string, message proto.Message) {
	print(line{Event: event, Value: asJSON(message)})
}

func asJSON(message proto.Message) json.RawMessage {
	return must(protojson.Marshal(message))
}

func main() {
	rc := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{os.Args[1]}})
	bus := psrpc.NewRedisMessageBus(rc)
	io := must(rpc.NewIOInfoClient(bus))
	newEgressWorker(bus, io)
	ingress := newIngressWorker(bus, io)
	// Subscriptions are made in the background.
	time.Sleep(300 * time.Millisecond)
	print(line{Event: "ready"})

	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var q question
		check(json.Unmarshal(input.Bytes(), &q))
		go func() {
			message, err := q.ask(io, ingress)
			if err != nil {
				code, _ := psrpc.GetErrorCode(err)
				print(line{ID: q.ID, Code: string(code), Message: err.Error()})
				return
			}
			print(line{ID: q.ID, Value: asJSON(message)})
		}()
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
