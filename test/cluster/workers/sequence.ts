/** What clients of Egress and Ingress do, step by step, with every answer written down so that servers can be compared. */

import {
  AutoParticipantEgress,
  AutoTrackEgress,
  DirectFileOutput,
  EncodedFileOutput,
  EncodedFileType,
  EncodingOptionsPreset,
  IngressInput,
  RoomCompositeEgressRequest,
  RoomConfiguration,
  RoomEgress,
  S3Upload,
  SegmentedFileOutput,
  StartEgressRequest,
  StreamOutput,
  StreamProtocol,
} from '@livekit/protocol';
import { Room } from '@livekit/rtc-node';
import { AccessToken, EgressClient, IngressClient } from 'livekit-server-sdk';
import { KEY, SECRET } from '../../e2e/support/server.ts';
import { Client } from '../support/client.ts';
import type { Cluster } from '../support/cluster.ts';
import { until } from '../support/fleet.ts';
import type { Json, Workers } from './workers.ts';

/** Answers by step, ids and times told apart but not kept. */
export type Transcript = Record<string, Json>;

interface Stage {
  readonly cluster: Cluster;
  readonly workers: Workers;
  readonly egress: EgressClient;
  readonly ingress: IngressClient;
  note(step: string, answer: Promise<unknown>): Promise<Json>;
}

export const INGRESS = { rtmp_base_url: 'rtmp://in.example/live', whip_base_url: 'https://in.example/w' };

export async function runSequence(cluster: Cluster, workers: Workers): Promise<Transcript> {
  const transcript: Transcript = {};
  const { httpUrl } = cluster.node(0);
  const stage: Stage = {
    cluster,
    workers,
    egress: new EgressClient(httpUrl, KEY, SECRET),
    ingress: new IngressClient(httpUrl, KEY, SECRET),
    note: async (step, answer) => {
      const raw = await answer.then(plain, failure);
      transcript[step] = raw;
      return raw;
    },
  };
  await cluster.node(0).rooms.createRoom({ name: 'meeting' });
  await startEverything(stage);
  await steer(stage);
  await autoRecord(stage);
  await recordPublications(stage);
  await recordByToken(stage);
  await createInputs(stage);
  await runInput(stage);
  await note(stage);
  return normalised(transcript);
}

async function startEverything({ egress, workers, note }: Stage): Promise<void> {
  const file = new EncodedFileOutput({ filepath: 'a.mp4', fileType: EncodedFileType.MP4 });
  const stream = new StreamOutput({ protocol: StreamProtocol.RTMP, urls: ['rtmp://out.example/key'] });
  await note('room composite', egress.startRoomCompositeEgress('meeting', { file, stream }, { layout: 'grid' }));
  await note('web', egress.startWebEgress('https://example.com', { stream }));
  await note('participant', egress.startParticipantEgress('meeting', 'alice', { file }));
  await note('track composite', egress.startTrackCompositeEgress('meeting', { file }, { audioTrackId: 'TR_a' }));
  await note('track', egress.startTrackEgress('meeting', new DirectFileOutput({ filepath: 'b' }), 'TR_a'));
  await note('v2', egress.startEgress(new StartEgressRequest({ roomName: 'meeting' })));
  await note('no such room', egress.startParticipantEgress('nowhere', 'alice', { file }));
  await note('refused by the worker', egress.startWebEgress('', { file }));
  const asked = workers.events.filter(({ event }) => event === 'startEgress').map(({ value }) => value);
  await note('what workers were asked', Promise.resolve(asked));
  // Each is told active of by its worker.
  await until('all are active', () => workers.events.filter(isActive).length === 6);
}

function isActive({ event, value }: { event: string; value: Json }): boolean {
  return event === 'egressUpdated' && value.status === 'EGRESS_ACTIVE';
}

async function steer({ egress, workers, cluster, note }: Stage): Promise<void> {
  const all = await egress.listEgress();
  const web = all.find(({ request }) => request.case === 'web')?.egressId ?? '';
  const composite = all.find(({ request }) => request.case === 'roomComposite')?.egressId ?? '';
  await note('list', sorted(egress.listEgress()));
  await note('list by room', sorted(egress.listEgress({ roomName: 'meeting' })));
  await note('list by id', egress.listEgress({ egressId: web }));
  await note('list unknown id', egress.listEgress({ egressId: 'EG_unknown' }));
  await note('list another room', egress.listEgress({ roomName: 'empty' }));
  await note('update stream', egress.updateStream(web, ['rtmp://out.example/two']));
  await note('layout of nobody', egress.updateLayout(composite, 'speaker'));
  await note('layout of unknown', egress.updateLayout('EG_unknown', 'speaker'));
  await note('stop', egress.stopEgress(composite));
  await workers.until('egressUpdated', (info) => info.egressId === composite && info.status === 'EGRESS_COMPLETE');
  await note('list active', sorted(egress.listEgress({ active: true })));
  await note('stop again', egress.stopEgress(composite));
  await note('update stream of ended', egress.updateStream(composite, ['rtmp://out.example/three']));
  await note('stop unknown', egress.stopEgress('EG_unknown'));
  await note('a worker asks', workers.ask('getEgress', { egressId: composite }));
  await note('a worker asks for unknown', workers.ask('getEgress', { egressId: 'EG_unknown' }));
  const listed = await workers.ask('listEgress', { roomName: 'meeting', active: true });
  await note('a worker lists', Promise.resolve(listed.value.items.length));
  const ended = String(await cluster.redis.command('HGET', 'ended_egress', composite));
  await note('ended in redis', Promise.resolve(ended.replace(/\d{19}/, '<time>')));
}

async function autoRecord({ cluster, workers, note }: Stage): Promise<void> {
  const room = new RoomCompositeEgressRequest({
    roomName: 'overwritten',
    fileOutputs: [new EncodedFileOutput({ filepath: 'auto.mp4' })],
  });
  const tracks = new AutoTrackEgress({ output: { case: 's3', value: new S3Upload({ bucket: 'b', secret: 's' }) } });
  const egress = new RoomEgress({ room, tracks });
  const created = await note('recorded room', cluster.node(0).rooms.createRoom({ name: 'recorded', egress }));
  await note('recorded again', cluster.node(0).rooms.createRoom({ name: 'recorded', egress }));
  const asked = workers.events.filter(
    ({ event, value }) => event === 'startEgress' && value.roomComposite?.roomName === 'recorded',
  );
  await note(
    'auto egress',
    Promise.resolve(asked.map(({ value }) => ({ ...value, same: value.roomId === created.sid }))),
  );
}

/** With a client that publishes: it is recorded as a whole and track by track. */
async function recordPublications({ cluster, workers, note }: Stage): Promise<void> {
  const participant = new AutoParticipantEgress({
    options: { case: 'preset', value: EncodingOptionsPreset.H264_720P_30 },
    segmentOutputs: [new SegmentedFileOutput({ filenamePrefix: 'live' })],
  });
  const tracks = new AutoTrackEgress({ filepath: 'take.mp4' });
  const egress = new RoomEgress({ participant, tracks });
  await cluster.node(0).rooms.createRoom({ name: 'watched', egress });
  const alice = await Client.join(cluster.node(0).url, 'watched', 'alice');
  await alice.show();
  const ofRoom = (key: 'participant' | 'track') => (value: Json) => value[key]?.roomName === 'watched';
  await note('participant egress', workers.until('startEgress', ofRoom('participant')));
  await note('track egress', workers.until('startEgress', ofRoom('track')));
  await alice.leave();
}

async function recordByToken({ cluster, workers, note }: Stage): Promise<void> {
  const fileOutputs = [new EncodedFileOutput({ filepath: 'token.mp4' })];
  const token = new AccessToken(KEY, SECRET, { identity: 'alice' });
  token.addGrant({ roomJoin: true, room: 'by token' });
  token.roomConfig = new RoomConfiguration({
    egress: new RoomEgress({ room: new RoomCompositeEgressRequest({ fileOutputs }) }),
  });
  const room = new Room();
  await room.connect(cluster.node(0).url, await token.toJwt());
  const ofRoom = (value: Json) => value.roomComposite?.roomName === 'by token';
  await note('egress by token', workers.until('startEgress', ofRoom));
  await room.disconnect();
}

async function createInputs({ ingress, workers, note }: Stage): Promise<void> {
  const opts = { name: 'stage', roomName: 'meeting', participantIdentity: 'camera' };
  await note('rtmp', ingress.createIngress(IngressInput.RTMP_INPUT, opts));
  await note('whip', ingress.createIngress(IngressInput.WHIP_INPUT, { ...opts, enabled: false }));
  await note('whip transcoded', ingress.createIngress(IngressInput.WHIP_INPUT, { ...opts, enableTranscoding: true }));
  const urls = [
    'https://example.com/a b.mp4?x=1',
    'srt://example.com:9000?streamid=read:a',
    'HTTP://Example.com',
    'ftp://example.com',
    'nothing',
    'http://example.com/%zz',
    '',
  ];
  for (const url of urls) await note(`url ${url}`, ingress.createIngress(IngressInput.URL_INPUT, { ...opts, url }));
  const asked = workers.events.filter(({ event }) => event === 'startIngress').map(({ value }) => value);
  await note('what ingress workers were asked', Promise.resolve(asked));
  const nobody = { name: 'x', roomName: 'meeting', participantIdentity: '' };
  await note('no identity', ingress.createIngress(IngressInput.RTMP_INPUT, nobody));
  await note('rtmp as it is', ingress.createIngress(IngressInput.RTMP_INPUT, { ...opts, enableTranscoding: false }));
  const url = 'https://example.com/a.mp4';
  await note('url without room', ingress.createIngress(IngressInput.URL_INPUT, { url, participantIdentity: 'a' }));
}

async function runInput({ ingress, workers, cluster, note }: Stage): Promise<void> {
  const rtmp = await ingress.createIngress(IngressInput.RTMP_INPUT, { roomName: 'inputs', participantIdentity: 'a' });
  const { ingressId, streamKey } = rtmp;
  const tell = (state: object) => workers.ask('updateIngressState', { ingressId, state });
  await note('found by stream key', workers.ask('getIngressInfo', { streamKey }));
  await note('found by nothing', workers.ask('getIngressInfo', {}));
  await note('unknown stream key', workers.ask('getIngressInfo', { streamKey: 'unknown' }));
  await workers.ask('handleIngress', { ingressId });
  await note('publishing', tell({ status: 'ENDPOINT_PUBLISHING', startedAt: '5', updatedAt: '6' }));
  await note('late news', tell({ status: 'ENDPOINT_BUFFERING', startedAt: '5', updatedAt: '5' }));
  await note('of another session', tell({ status: 'ENDPOINT_INACTIVE', startedAt: '4', updatedAt: '9' }));
  await note('listed', ingress.listIngress({ roomName: 'inputs' }));
  await note('updated', ingress.updateIngress(ingressId, { name: 'new', roomName: 'elsewhere' }));
  await note(
    'asked to update',
    workers.until('updateIngress', () => true),
  );
  await note('listed elsewhere', ingress.listIngress({ roomName: 'elsewhere' }));
  await note('listed where it was', ingress.listIngress({ roomName: 'inputs' }));
  await note('failed', tell({ status: 'ENDPOINT_ERROR', error: 'broken', startedAt: '5', updatedAt: '7' }));
  await note('revived', ingress.updateIngress(ingressId, { name: 'newer', enabled: false }));
  await tell({ status: 'ENDPOINT_PUBLISHING', startedAt: '8', updatedAt: '8' });
  await note('deleted', ingress.deleteIngress(ingressId));
  await note(
    'asked to delete',
    workers.until('deleteIngress', () => true),
  );
  await note('deleted again', ingress.deleteIngress(ingressId));
  await note('update of unknown', ingress.updateIngress('IN_unknown', { name: 'x' }));
  await note('unknown id', ingress.listIngress({ ingressId: 'IN_unknown' }));
  const pulled = (await ingress.listIngress()).find(({ inputType }) => inputType === IngressInput.URL_INPUT);
  await note('update of a url', ingress.updateIngress(pulled?.ingressId ?? '', { name: 'x' }));
  const keys = ((await cluster.redis.command('KEYS', '*ingress*')) as unknown[]).map(String);
  await note('keys in redis', Promise.resolve(keys.map((key) => key.replace(/IN_\w+/, '<id>')).sort()));
}

/** Which records there are in the end, by type. */
async function note({ cluster, note: write }: Stage): Promise<void> {
  const types: Record<string, string> = {};
  for (const key of ['egress', 'egress:room:meeting', 'ended_egress', 'ingress', '{ingress}_stream_key']) {
    types[key] = String(await cluster.redis.command('TYPE', key));
  }
  await write('types in redis', Promise.resolve(types));
}

async function sorted<Info extends { toJson(): Json }>(infos: Promise<Info[]>): Promise<Json> {
  const all = (await infos).map((info) => info.toJson());
  const kindOf = (info: Json) => Object.keys(info).find((key) => typeof info[key] === 'object') ?? '';
  return all.sort((a, b) => kindOf(a).localeCompare(kindOf(b)));
}

function plain(value: unknown): Json {
  if (Array.isArray(value)) return value.map(plain);
  const message = value as { toJson?(): Json } | undefined;
  return typeof message?.toJson === 'function' ? message.toJson() : value;
}

function failure(error: { code?: string; message: string; status?: number }): Json {
  const { code, message, status } = error;
  // livekit-server names a Twirp error in front of those that came over psrpc.
  return { refused: { code, message: message.replace(/^twirp error unknown: /, ''), status } };
}

/** Ids and times differ from run to run. */
function normalised(transcript: Transcript): Transcript {
  const text = JSON.stringify(transcript)
    .replace(/\bTR_[A-Z]{2}[2-9A-Za-z]{12}\b/g, 'TR_<id>')
    .replace(/\b(EG|IN|RM)_(?!unknown)[2-9A-Za-z]{12}\b/g, '$1_<id>')
    .replace(/"streamKey":"[2-9A-Za-z]{12}"/g, '"streamKey":"<key>"')
    .replace(/"(creationTime|creationTimeMs|endedAt|updatedAt)":"\d{10,}"/g, '"$1":"<time>"')
    .replace(/"turnPassword":"\w+"/g, '"turnPassword":"<secret>"');
  return JSON.parse(text);
}
