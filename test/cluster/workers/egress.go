package main

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
)

type egressWorker struct {
	bus psrpc.MessageBus
	io  rpc.IOInfoClient
}

func newEgressWorker(bus psrpc.MessageBus, io rpc.IOInfoClient) {
	server := must(rpc.NewEgressInternalServer(&egressWorker{bus, io}, bus))
	check(server.RegisterStartEgressTopic(""))
}

func (w *egressWorker) StartEgressAffinity(context.Context, *rpc.StartEgressRequest) float32 {
	return 1
}

func (w *egressWorker) StartEgress(ctx context.Context, req *rpc.StartEgressRequest) (*livekit.EgressInfo, error) {
	tell("startEgress", req)
	info := &livekit.EgressInfo{EgressId: req.EgressId, RoomId: req.RoomId, StartedAt: 1}
	if req.Token != "" {
		return nil, psrpc.NewErrorf(psrpc.InvalidArgument, "a token was not expected")
	}
	switch r := req.Request.(type) {
	case *rpc.StartEgressRequest_Egress:
		info.RoomName, info.Request = r.Egress.RoomName, &livekit.EgressInfo_Egress{Egress: r.Egress}
	case *rpc.StartEgressRequest_RoomComposite:
		composite := r.RoomComposite
		info.RoomName, info.Request = composite.RoomName, &livekit.EgressInfo_RoomComposite{RoomComposite: composite}
	case *rpc.StartEgressRequest_Web:
		if r.Web.Url == "" {
			return nil, psrpc.NewErrorf(psrpc.InvalidArgument, "request has missing or invalid field: url")
		}
		info.Request = &livekit.EgressInfo_Web{Web: r.Web}
	case *rpc.StartEgressRequest_Participant:
		info.RoomName, info.Request = r.Participant.RoomName, &livekit.EgressInfo_Participant{Participant: r.Participant}
	case *rpc.StartEgressRequest_TrackComposite:
		composite := r.TrackComposite
		info.RoomName, info.Request = composite.RoomName, &livekit.EgressInfo_TrackComposite{TrackComposite: composite}
	case *rpc.StartEgressRequest_Track:
		info.RoomName, info.Request = r.Track.RoomName, &livekit.EgressInfo_Track{Track: r.Track}
	}
	if _, err := w.io.CreateEgress(ctx, info); err != nil {
		return nil, err
	}
	w.handle(proto.Clone(info).(*livekit.EgressInfo))
	return info, nil
}

func (w *egressWorker) ListActiveEgress(
	context.Context, *rpc.ListActiveEgressRequest,
) (*rpc.ListActiveEgressResponse, error) {
	return &rpc.ListActiveEgressResponse{}, nil
}

// handle serves one egress until it is stopped, as a process of its own does.
func (w *egressWorker) handle(info *livekit.EgressInfo) {
	h := &egressHandler{io: w.io, info: info}
	h.server = must(rpc.NewEgressHandlerServer(h, w.bus))
	check(h.server.RegisterStopEgressTopic(info.EgressId))
	check(h.server.RegisterUpdateStreamTopic(info.EgressId))
	go func() {
		time.Sleep(100 * time.Millisecond)
		h.update(livekit.EgressStatus_EGRESS_ACTIVE)
	}()
}

type egressHandler struct {
	server rpc.EgressHandlerServer
	io     rpc.IOInfoClient
	lock   sync.Mutex
	info   *livekit.EgressInfo
}

func (h *egressHandler) UpdateEgress(context.Context, *livekit.UpdateEgressRequest) (*livekit.EgressInfo, error) {
	return nil, psrpc.NewErrorf(psrpc.Unimplemented, "not asked by servers")
}

func (h *egressHandler) UpdateStream(
	_ context.Context, req *livekit.UpdateStreamRequest,
) (*livekit.EgressInfo, error) {
	tell("updateStream", req)
	h.lock.Lock()
	defer h.lock.Unlock()
	for _, url := range req.AddOutputUrls {
		h.info.StreamResults = append(h.info.StreamResults, &livekit.StreamInfo{Url: url})
	}
	return proto.Clone(h.info).(*livekit.EgressInfo), nil
}

func (h *egressHandler) StopEgress(_ context.Context, req *livekit.StopEgressRequest) (*livekit.EgressInfo, error) {
	tell("stopEgress", req)
	info := h.update(livekit.EgressStatus_EGRESS_ENDING)
	go func() {
		_, err := h.io.UpdateMetrics(context.Background(), &rpc.UpdateMetricsRequest{Info: info, AvgCpuUsage: 0.5})
		check(err)
		h.update(livekit.EgressStatus_EGRESS_COMPLETE)
		h.server.Shutdown()
	}()
	return info, nil
}

func (h *egressHandler) update(status livekit.EgressStatus) *livekit.EgressInfo {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.info.Status = status
	if status == livekit.EgressStatus_EGRESS_COMPLETE {
		h.info.EndedAt = time.Now().UnixNano()
	}
	info := proto.Clone(h.info).(*livekit.EgressInfo)
	_, err := h.io.UpdateEgress(context.Background(), info)
	check(err)
	tell("egressUpdated", info)
	return info
}
