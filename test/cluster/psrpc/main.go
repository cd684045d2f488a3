// The far side of the psrpc tests: the published Go library, serving and calling over Redis.
//
// `peer <redis address>` serves at once and prints `{"event":"ready"}`. Every line on standard input is then a call to
// make; its outcome is a line on standard output with the same id.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livekit/psrpc"
)

type line struct {
	ID      int    `json:"id,omitempty"`
	Event   string `json:"event,omitempty"`
	Value   any    `json:"value,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Details int    `json:"details,omitempty"`
}

var (
	printing sync.Mutex
	printer  = json.NewEncoder(os.Stdout)
)

func print(l line) {
	printing.Lock()
	defer printing.Unlock()
	if err := printer.Encode(l); err != nil {
		os.Exit(1)
	}
}

func main() {
	rc := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{os.Args[1]}})
	bus := psrpc.NewRedisMessageBus(rc)
	serve(bus)
	callers := newCallers(bus)
	// Subscriptions are made in the background.
	time.Sleep(300 * time.Millisecond)
	print(line{Event: "ready"})

	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var c call
		if err := json.Unmarshal(input.Bytes(), &c); err != nil {
			panic(err)
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			value, err := callers.call(ctx, c)
			print(outcome(c.ID, value, err))
		}()
	}
}

func outcome(id int, value any, err error) line {
	if err == nil {
		return line{ID: id, Value: value}
	}
	code, _ := psrpc.GetErrorCode(err)
	l := line{ID: id, Code: string(code), Message: err.Error()}
	if e, ok := err.(psrpc.Error); ok {
		l.Details = len(e.DetailsProto())
	}
	return l
}
