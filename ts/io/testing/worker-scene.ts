import { ParticipantInfo, Room, type WebhookEvent } from '@livekit/protocol';
import { pino } from 'pino';
import { EgressLauncher } from '../../api/egress-launcher.ts';
import { egressService } from '../../api/egress-service.ts';
import { ingressService } from '../../api/ingress-service.ts';
import { sipService } from '../../api/sip-service.ts';
import { TwirpRouter } from '../../api/twirp.ts';
import type { RoomDirectory } from '../../api/types.ts';
import { parseClaims } from '../../auth/claims.ts';
import { EgressStore } from '../../cluster/egress-store.ts';
import { IngressStore } from '../../cluster/ingress-store.ts';
import { LocalKeyspace } from '../../cluster/local-keyspace.ts';
import { SipStore } from '../../cluster/sip-store.ts';
import { RpcClient } from '../../psrpc/client.ts';
import { LocalBus } from '../../psrpc/local-bus.ts';
import { RpcServer } from '../../psrpc/server.ts';
import { NotifyingEgressRecords } from '../egress-records.ts';
import { NotifyingIngressRecords } from '../ingress-records.ts';
import { IoServer } from '../io-server.ts';
import { SipCalls } from '../sip.ts';

const log = pino({ enabled: false });

/** The services with everything below them, in one process; the test plays the workers, with `worker`. */
export class WorkerScene {
  readonly keyspace = new LocalKeyspace();
  readonly bus = new LocalBus();
  readonly client = new RpcClient(this.bus, { id: 'ND_test', log, timeoutMs: 300, maxAttempts: 1 });
  readonly server = new RpcServer(this.bus, { id: 'ND_test', log });
  /** Where tests handle what is asked of workers. */
  readonly worker = new RpcServer(this.bus, { id: 'EG_worker', log });
  /** With which tests ask what workers ask. */
  readonly asking = new RpcClient(this.bus, { id: 'EG_worker', log, timeoutMs: 1000, maxAttempts: 1 });
  readonly egressStore = new EgressStore(this.keyspace);
  readonly ingressStore = new IngressStore(this.keyspace);
  readonly sipStore = new SipStore(this.keyspace);
  readonly events: WebhookEvent[] = [];
  /** Milliseconds that the launcher waited between attempts. */
  readonly waits: number[] = [];
  readonly metadata: string[] = [];
  readonly #io: IoServer;
  readonly #router: TwirpRouter;

  constructor() {
    const notify = (event: WebhookEvent) => void this.events.push(event);
    const egress = new NotifyingEgressRecords(this.egressStore, notify);
    const ingress = new NotifyingIngressRecords(this.ingressStore, notify);
    const sip = new SipCalls(this.sipStore);
    this.#io = new IoServer({ rpc: this.server, egress, ingress, sip, log });
    const launcher = new EgressLauncher({
      rpc: this.client,
      records: egress,
      loadRoom: async (name) => (name === 'meeting' ? new Room({ name, sid: 'RM_meeting' }) : undefined),
      timeoutMs: 300,
      wait: async (ms) => void this.waits.push(ms),
      random: () => 0.5,
      onError: () => {},
    });
    const updateParticipant = async (request: { metadata: string }) => {
      this.metadata.push(request.metadata);
      return new ParticipantInfo();
    };
    this.#router = new TwirpRouter(
      {
        'livekit.Egress': egressService({
          launcher,
          rpc: this.client,
          records: egress,
          participants: { updateParticipant },
          directory: DIRECTORY,
          limits: { maxRoomNameLength: 0, maxMetadataSize: 100, maxAttributesSize: 0, maxParticipantNameLength: 0 },
        }),
        'livekit.Ingress': ingressService({
          rpc: this.client,
          records: ingress,
          baseUrls: { rtmp: 'rtmp://in.example/live', whip: 'https://in.example/w' },
          log,
        }),
        'livekit.SIP': sipService({ records: this.sipStore, rpc: this.client, directory: DIRECTORY }),
      },
      (error) => {
        throw error;
      },
    );
  }

  static async start(): Promise<WorkerScene> {
    const scene = new WorkerScene();
    await scene.#io.start();
    return scene;
  }

  /** Calls `Egress/StartWebEgress` and the like; the answer's status and JSON. */
  async call(
    path: string,
    request: object,
    grant: object = { roomRecord: true, ingressAdmin: true, roomAdmin: true, room: 'meeting' },
    sip: object = { admin: true, call: true },
    // biome-ignore lint/suspicious/noExplicitAny: whatever the service answers
  ): Promise<{ status: number; json: any }> {
    const { status, body } = await this.#router.handle({
      method: 'POST',
      path: `/twirp/livekit.${path}`,
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify(request)),
      claims: parseClaims({ video: grant, sip }),
    });
    return { status, json: JSON.parse(String(body)) };
  }

  get eventNames(): string[] {
    return this.events.map(({ event }) => event);
  }

  async close(): Promise<void> {
    await this.#io.close();
    await Promise.all([this.server.close(), this.worker.close(), this.client.close(), this.asking.close()]);
    await this.bus.close();
  }
}

const DIRECTORY: RoomDirectory = {
  listRooms: async () => [],
  listParticipants: async () => [],
  loadParticipant: async (_room, identity) => {
    if (identity === 'phone') return new ParticipantInfo({ identity, attributes: { 'sip.callID': 'SCL_1' } });
    return identity.startsWith('EG_') || identity === 'alice' ? new ParticipantInfo({ identity }) : undefined;
  },
};
