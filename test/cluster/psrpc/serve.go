package main

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
	"github.com/livekit/psrpc/pkg/metadata"
)

const node = livekit.NodeID("ND_go")

// serve registers one server of every kind, two where several are to answer.
func serve(bus psrpc.MessageBus) {
	for range 2 {
		rooms := must(rpc.NewRoomServer[rpc.RoomTopic](&roomServer{}, bus))
		check(rooms.RegisterListParticipantsTopic("go room|ü"))
		check(rooms.RegisterDeleteRoomTopic("go"))
	}
	manager := must(rpc.NewTypedRoomManagerServer(&roomManager{}, bus, psrpc.WithServerID(string(node))))
	check(manager.RegisterCreateRoomTopic(node))
	for _, affinity := range []float32{0.3, 0.9, -1} {
		agents := must(rpc.NewAgentInternalServer(&agentServer{affinity: affinity}, bus))
		check(agents.RegisterJobRequestTopic("", "room"))
		check(agents.RegisterJobRequestTopic("go-agent", "publisher"))
	}
	must(rpc.NewIOInfoServer(&ioServer{}, bus))
	ingress := must(rpc.NewIngressHandlerServer(&ingressHandler{}, bus))
	check(ingress.RegisterWHIPRTCConnectionNotifyTopic("go_participant"))
	signals := must(rpc.NewTypedSignalServer(node, &signalServer{}, bus))
	check(signals.RegisterRelaySignalTopic(node))
	go listen(bus)
}

type roomServer struct{ rpc.RoomServerImpl }

func (s *roomServer) ListParticipants(
	ctx context.Context, req *livekit.ListParticipantsRequest,
) (*livekit.ListParticipantsResponse, error) {
	head := metadata.IncomingHeader(ctx)
	return &livekit.ListParticipantsResponse{Participants: []*livekit.ParticipantInfo{
		{Identity: req.Room, Name: head.RemoteID, Metadata: head.Metadata["key"]},
	}}, nil
}

func (s *roomServer) DeleteRoom(_ context.Context, req *livekit.DeleteRoomRequest) (*livekit.DeleteRoomResponse, error) {
	switch req.Room {
	case "missing":
		detail := &livekit.Room{Name: req.Room}
		return nil, psrpc.NewError(psrpc.NotFound, errors.New("no such room"), detail)
	case "upstream":
		return nil, psrpc.NewErrorf(psrpc.UpstreamServerError, "the far side failed")
	case "plain":
		return nil, errors.New("not a psrpc error")
	case "slow":
		time.Sleep(600 * time.Millisecond)
	}
	return &livekit.DeleteRoomResponse{}, nil
}

type roomManager struct{}

func (m *roomManager) CreateRoom(_ context.Context, req *livekit.CreateRoomRequest) (*livekit.Room, error) {
	return &livekit.Room{Name: req.Name, Sid: "RM_go", EmptyTimeout: req.EmptyTimeout}, nil
}

type agentServer struct {
	rpc.AgentInternalServerImpl
	affinity float32
}

func (s *agentServer) CheckEnabled(context.Context, *rpc.CheckEnabledRequest) (*rpc.CheckEnabledResponse, error) {
	if s.affinity < 0 {
		return nil, psrpc.NewErrorf(psrpc.Internal, "broken")
	}
	return &rpc.CheckEnabledResponse{RoomEnabled: s.affinity > 0.5, Namespaces: []string{"go"}}, nil
}

func (s *agentServer) JobRequestAffinity(context.Context, *livekit.Job) float32 { return s.affinity }

func (s *agentServer) JobRequest(_ context.Context, job *livekit.Job) (*rpc.JobRequestResponse, error) {
	worker := "slow"
	if s.affinity > 0.5 {
		worker = "fast"
	}
	return &rpc.JobRequestResponse{State: &livekit.JobState{WorkerId: worker, ParticipantIdentity: job.Id}}, nil
}

type ioServer struct{ rpc.IOInfoServerImpl }

func (s *ioServer) GetEgress(_ context.Context, req *rpc.GetEgressRequest) (*livekit.EgressInfo, error) {
	return &livekit.EgressInfo{EgressId: req.EgressId, RoomName: "go"}, nil
}

type ingressHandler struct{ rpc.IngressHandlerServerImpl }

func (s *ingressHandler) WHIPRTCConnectionNotify(
	_ context.Context, req *rpc.WHIPRTCConnectionNotifyRequest,
) (*emptypb.Empty, error) {
	print(line{Event: "notified", Value: req.ParticipantId})
	return &emptypb.Empty{}, nil
}

type signalServer struct{}

// RelaySignal sends every number back, until the one that asks for an end.
func (s *signalServer) RelaySignal(stream psrpc.ServerStream[*rpc.RelaySignalResponse, *rpc.RelaySignalRequest]) error {
	head := metadata.IncomingHeader(stream.Context())
	print(line{Event: "stream", Value: head.RemoteID + " " + head.Metadata["key"]})
	for req := range stream.Channel() {
		if req.Close {
			return psrpc.NewErrorf(psrpc.NotFound, "the room is gone")
		}
		if err := stream.Send(&rpc.RelaySignalResponse{Seq: req.Seq}); err != nil {
			return err
		}
	}
	print(line{Event: "streamEnd", Value: stream.Err().Error()})
	return nil
}

func listen(bus psrpc.MessageBus) {
	keepalive := must(rpc.NewKeepaliveClient[livekit.NodeID](bus))
	agents := must(rpc.NewAgentInternalClient(bus))
	pings := must(keepalive.SubscribePing(context.Background(), node))
	workers := must(agents.SubscribeWorkerRegistered(context.Background(), ""))
	for {
		select {
		case ping := <-pings.Channel():
			print(line{Event: "ping", Value: ping.Timestamp})
		case <-workers.Channel():
			print(line{Event: "workerRegistered"})
		}
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
