package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
)

// question is what a test has the workers ask the servers.
type question struct {
	ID      int             `json:"id"`
	Method  string          `json:"method"`
	Request json.RawMessage `json:"request"`
}

func (q question) ask(io rpc.IOInfoClient, ingress *ingressWorker) (proto.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	switch q.Method {
	case "getEgress":
		return io.GetEgress(ctx, read(q, &rpc.GetEgressRequest{}))
	case "listEgress":
		return io.ListEgress(ctx, read(q, &livekit.ListEgressRequest{}))
	case "getIngressInfo":
		return io.GetIngressInfo(ctx, read(q, &rpc.GetIngressInfoRequest{}))
	case "updateIngressState":
		return io.UpdateIngressState(ctx, read(q, &rpc.UpdateIngressStateRequest{}))
	case "handleIngress":
		ingress.handle(read(q, &livekit.DeleteIngressRequest{}).IngressId)
		time.Sleep(200 * time.Millisecond)
		return &emptypb.Empty{}, nil
	}
	return nil, fmt.Errorf("unknown method %s", q.Method)
}

func read[M proto.Message](q question, message M) M {
	check(protojson.Unmarshal(q.Request, message))
	return message
}
