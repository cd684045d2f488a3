/** Egress and ingress with workers on livekit's own psrpc, over a Redis; answers compared with livekit-server's. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { DEFAULT_KIND, type NodeKind, WITHOUT_LIVEKIT } from './support/fleet.ts';
import { INGRESS, runSequence, type Transcript } from './workers/sequence.ts';
import { buildWorkers, Workers } from './workers/workers.ts';

const built = buildWorkers();
const skip = 'missing' in built ? built.missing : false;

/** The client talks to the first node; any of them may answer the workers. */
async function transcriptOf(...kinds: NodeKind[]): Promise<Transcript> {
  const nodes = kinds.map((kind) => ({ kind }));
  const cluster = await Cluster.start({ nodes, config: { ingress: INGRESS } });
  try {
    const workers = await Workers.start('program' in built ? built.program : '', cluster.redis.address);
    try {
      return await runSequence(cluster, workers);
    } finally {
      await workers.stop();
    }
  } catch (error) {
    throw new Error(`the sequence did not come to its end:\n${cluster.output()}`, { cause: error });
  } finally {
    await cluster.stop();
  }
}

describe('egress and ingress workers', { skip }, () => {
  let ours: Transcript;

  before(async () => {
    ours = await transcriptOf(DEFAULT_KIND);
  });

  test('a worker is asked with ids and without tokens', () => {
    const asked = ours['what workers were asked'];
    assert.equal(asked.length, 7);
    for (const request of asked) {
      assert.equal(request.egressId, 'EG_<id>');
      assert.equal(request.token ?? request.wsUrl, undefined);
      assert.equal(request.roomId, 'web' in request ? undefined : 'RM_<id>');
    }
  });

  test('what it tells is what clients are told', () => {
    assert.equal(ours.list.length, 6);
    assert.ok(ours.list.every(({ status }: { status: string }) => status === 'EGRESS_ACTIVE'));
    assert.equal(ours['list by room'].length, 5);
    assert.equal(ours['list active'].length, 5);
    assert.deepEqual(ours['stop again'].refused, {
      code: 'failed_precondition',
      message: 'egress with status EGRESS_COMPLETE cannot be stopped',
      status: 412,
    });
    assert.equal(ours['ended in redis'], 'meeting|<time>');
  });

  test('a room that is created with an egress is recorded once', () => {
    assert.equal(ours['auto egress'].length, 1);
    assert.equal(ours['auto egress'][0].same, true);
    assert.equal(ours['egress by token'].roomComposite.fileOutputs[0].filepath, 'token.mp4');
  });

  test('who publishes is recorded as a whole, and track by track', () => {
    assert.equal(ours['participant egress'].participant.identity, 'alice');
    assert.equal(ours['track egress'].track.file.filepath, 'take-{track_id}.mp4');
  });

  test('an ingress worker finds inputs and has them follow clients', () => {
    assert.equal(ours['found by stream key'].value.info.streamKey, '<key>');
    assert.equal(ours.updated.state.status, 'ENDPOINT_PUBLISHING');
    assert.equal(ours.listed[0].state.updatedAt, '6');
    assert.equal(ours.revived.state.status ?? 'ENDPOINT_INACTIVE', 'ENDPOINT_INACTIVE');
    assert.equal(ours['deleted again'].refused.code, 'not_found');
  });

  describe('beside livekit-server', { skip: WITHOUT_LIVEKIT }, () => {
    let theirs: Transcript;

    before(async () => {
      theirs = await transcriptOf('livekit');
    });

    after(() => {
      theirs = {};
    });

    test('every answer is the same, field by field', () => {
      for (const [step, answer] of Object.entries(theirs)) assert.deepEqual(ours[step], answer, step);
      assert.deepEqual(Object.keys(ours), Object.keys(theirs));
    });

    test('so it is where nodes of both kinds share the work', async () => {
      const mixed = await transcriptOf('sluice', 'livekit');
      for (const [step, answer] of Object.entries(theirs)) assert.deepEqual(mixed[step], answer, step);
    });
  });
});
