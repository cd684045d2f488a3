import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientChannel, decisionChannel, requestChannel, streamChannel } from './channel.ts';
import { AgentInternal, IOInfo, Room, Signal } from './services.ts';

test('channels name service, method and topic', () => {
  assert.equal(requestChannel(Room.DeleteRoom, 'r_1'), 'Room|DeleteRoom|r_1|REQ');
  assert.equal(decisionChannel(Room.DeleteRoom, 'r_1'), 'Room|DeleteRoom|r_1|RCLAIM');
  assert.equal(streamChannel(Signal.RelaySignal, 'ND_a'), 'Signal|RelaySignal|ND_a|STR');
  assert.equal(clientChannel('Room', 'CLI_a', 'RES'), 'Room|CLI_a|RES');
});

test('what is neither a letter, a digit nor an underscore is written as its code point', () => {
  assert.equal(requestChannel(Room.DeleteRoom, 'a-b c'), 'Room|DeleteRoom|au+002dbu+0020c|REQ');
  assert.equal(requestChannel(Room.DeleteRoom, '🚀_É'), 'Room|DeleteRoom|U+0001f680_u+00c9|REQ');
  assert.equal(requestChannel(Room.DeleteRoom, '软|件'), 'Room|DeleteRoom|u+8f6fu+007cu+4ef6|REQ');
  assert.equal(requestChannel(Room.DeleteRoom, '\ud800'), 'Room|DeleteRoom|u+fffd|REQ');
});

test('no topic and an empty one are the same, an empty first part vanishes and an empty last one leaves its bar', () => {
  assert.equal(requestChannel(IOInfo.GetEgress, ''), 'IOInfo|GetEgress|REQ');
  assert.equal(requestChannel(IOInfo.GetEgress, []), 'IOInfo|GetEgress|REQ');
  assert.equal(requestChannel(AgentInternal.JobRequest, ['', 'room']), 'AgentInternal|JobRequest|room|REQ');
  assert.equal(requestChannel(AgentInternal.JobRequest, ['a', 'room']), 'AgentInternal|JobRequest|a|room|REQ');
  assert.equal(requestChannel(AgentInternal.JobRequest, ['a', '']), 'AgentInternal|JobRequest|a||REQ');
});
