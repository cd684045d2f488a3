package main

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
)

type ingressWorker struct {
	bus psrpc.MessageBus
	io  rpc.IOInfoClient
}

func newIngressWorker(bus psrpc.MessageBus, io rpc.IOInfoClient) *ingressWorker {
	worker := &ingressWorker{bus, io}
	must(rpc.NewIngressInternalServer(worker, bus))
	return worker
}

func (w *ingressWorker) StartIngressAffinity(context.Context, *rpc.StartIngressRequest) float32 {
	return 1
}

func (w *ingressWorker) StartIngress(ctx context.Context, req *rpc.StartIngressRequest) (*livekit.IngressInfo, error) {
	tell("startIngress", req)
	info := req.Info
	if _, err := w.io.CreateIngress(ctx, info); err != nil {
		return nil, err
	}
	info.State = &livekit.IngressState{Status: livekit.IngressState_ENDPOINT_BUFFERING, StartedAt: 1, UpdatedAt: 1}
	if _, err := w.io.UpdateIngressState(ctx, &rpc.UpdateIngressStateRequest{
		IngressId: info.IngressId,
		State:     info.State,
	}); err != nil {
		return nil, err
	}
	w.handle(info.IngressId)
	return info, nil
}

func (w *ingressWorker) ListActiveIngress(
	context.Context, *rpc.ListActiveIngressRequest,
) (*rpc.ListActiveIngressResponse, error) {
	return &rpc.ListActiveIngressResponse{}, nil
}

func (w *ingressWorker) handle(id string) {
	server := must(rpc.NewIngressHandlerServer(&ingressHandler{}, w.bus))
	check(server.RegisterUpdateIngressTopic(id))
	check(server.RegisterDeleteIngressTopic(id))
}

type ingressHandler struct{}

func (h *ingressHandler) UpdateIngress(
	_ context.Context, req *livekit.UpdateIngressRequest,
) (*livekit.IngressState, error) {
	tell("updateIngress", req)
	return &livekit.IngressState{}, nil
}

func (h *ingressHandler) DeleteIngress(
	_ context.Context, req *livekit.DeleteIngressRequest,
) (*livekit.IngressState, error) {
	tell("deleteIngress", req)
	return &livekit.IngressState{}, nil
}

func (h *ingressHandler) DeleteWHIPResource(context.Context, *rpc.DeleteWHIPResourceRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (h *ingressHandler) ICERestartWHIPResource(
	context.Context, *rpc.ICERestartWHIPResourceRequest,
) (*rpc.ICERestartWHIPResourceResponse, error) {
	return &rpc.ICERestartWHIPResourceResponse{}, nil
}

func (h *ingressHandler) WHIPRTCConnectionNotify(
	context.Context, *rpc.WHIPRTCConnectionNotifyRequest,
) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
