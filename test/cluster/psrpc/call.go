package main

import (
	"context"
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/metadata"
)

type call struct {
	ID     int    `json:"id"`
	Method string `json:"method"`
	Topic  string `json:"topic"`
	Text   string `json:"text"`
	Number int64  `json:"number"`
}

type callers struct {
	rooms     rpc.RoomClient[rpc.RoomTopic]
	retrying  rpc.TypedRoomClient
	manager   rpc.TypedRoomManagerClient
	agents    rpc.AgentInternalClient
	io        rpc.IOInfoClient
	ingress   rpc.IngressHandlerClient
	signals   rpc.TypedSignalClient
	keepalive rpc.KeepaliveServer[livekit.NodeID]
}

func newCallers(bus psrpc.MessageBus) *callers {
	id := psrpc.WithClientID("CLI_go")
	retries := rpc.NewClientParams(rpc.PSRPCConfig{
		MaxAttempts: 3, Timeout: 300 * time.Millisecond, Backoff: 300 * time.Millisecond, BufferSize: 100,
	}, bus, nil, nil)
	return &callers{
		rooms:     must(rpc.NewRoomClient[rpc.RoomTopic](bus, id)),
		retrying:  must(rpc.NewTypedRoomClient(retries)),
		manager:   must(rpc.NewTypedRoomManagerClient(bus)),
		agents:    must(rpc.NewAgentInternalClient(bus)),
		io:        must(rpc.NewIOInfoClient(bus)),
		ingress:   must(rpc.NewIngressHandlerClient(bus)),
		signals:   must(rpc.NewTypedSignalClient("CLI_go", bus)),
		keepalive: must(rpc.NewKeepaliveServer[livekit.NodeID](nil, bus)),
	}
}

func (s *callers) call(ctx context.Context, c call) (any, error) {
	ctx = metadata.AppendMetadataToOutgoingContext(ctx, "key", "of go")
	switch c.Method {
	case "ListParticipants":
		res, err := s.rooms.ListParticipants(ctx, rpc.RoomTopic(c.Topic), &livekit.ListParticipantsRequest{Room: c.Text})
		if err != nil {
			return nil, err
		}
		return res.Participants[0].Identity, nil
	case "DeleteRoom":
		timeout := psrpc.WithRequestTimeout(2 * time.Second)
		_, err := s.rooms.DeleteRoom(ctx, rpc.RoomTopic(c.Topic), &livekit.DeleteRoomRequest{Room: c.Text}, timeout)
		return "deleted", err
	case "DeleteRoomRetrying":
		_, err := s.retrying.DeleteRoom(ctx, rpc.RoomTopic(c.Topic), &livekit.DeleteRoomRequest{Room: c.Text})
		return "deleted", err
	case "CreateRoom":
		res, err := s.manager.CreateRoom(ctx, livekit.NodeID(c.Topic), &livekit.CreateRoomRequest{Name: c.Text})
		if err != nil {
			return nil, err
		}
		return res.Sid, nil
	case "JobRequest":
		res, err := s.agents.JobRequest(ctx, c.Topic, "room", &livekit.Job{Id: c.Text})
		if err != nil {
			return nil, err
		}
		return res.State.WorkerId, nil
	case "CheckEnabled":
		return s.checkEnabled(ctx)
	case "GetEgress":
		res, err := s.io.GetEgress(ctx, &rpc.GetEgressRequest{EgressId: c.Text})
		if err != nil {
			return nil, err
		}
		return res.RoomName, nil
	case "WHIPRTCConnectionNotify":
		_, err := s.ingress.WHIPRTCConnectionNotify(ctx, c.Topic, &rpc.WHIPRTCConnectionNotifyRequest{ParticipantId: c.Text})
		return "notified", err
	case "Ping":
		return "sent", s.keepalive.PublishPing(ctx, livekit.NodeID(c.Topic), &rpc.KeepalivePing{Timestamp: c.Number})
	case "RelaySignal":
		return s.relay(ctx, c)
	}
	return nil, fmt.Errorf("no method %s", c.Method)
}

// checkEnabled counts answers by what they say.
func (s *callers) checkEnabled(ctx context.Context) (any, error) {
	answers, err := s.agents.CheckEnabled(ctx, &rpc.CheckEnabledRequest{}, psrpc.WithRequestTimeout(700*time.Millisecond))
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for answer := range answers {
		if answer.Err != nil {
			counts[answer.Err.Error()]++
		} else {
			counts[fmt.Sprint(answer.Result.Namespaces)]++
		}
	}
	return counts, nil
}

// relay sends numbers, expects each back, and then closes, or asks the far side to.
func (s *callers) relay(ctx context.Context, c call) (any, error) {
	stream, err := s.signals.RelaySignal(ctx, livekit.NodeID(c.Topic))
	if err != nil {
		return nil, err
	}
	var back []int64
	for seq := range c.Number {
		if err := stream.Send(&rpc.RelaySignalRequest{Seq: uint64(seq)}); err != nil {
			return nil, err
		}
		back = append(back, int64((<-stream.Channel()).Seq))
	}
	if c.Text == "close" {
		return back, stream.Close(nil)
	}
	if err := stream.Send(&rpc.RelaySignalRequest{Close: true}); err != nil {
		return nil, err
	}
	for range stream.Channel() {
	}
	return back, stream.Err()
}
