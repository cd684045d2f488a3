import { SignalResponse } from '@livekit/protocol';
import type { SignalSink } from '../contracts.ts';

type Message = SignalResponse['message'];
export type MessageCase = NonNullable<Message['case']>;
type ValueOf<Case extends MessageCase> = Extract<Message, { case: Case }>['value'];

/** A client's socket: what arrived on it, in order. */
export class RecordingSink implements SignalSink {
  readonly messages: Message[] = [];
  closed = false;

  send(message: SignalResponse): void {
    if (this.closed) return;
    // Encoded at once, as a socket would: what changes later must not show.
    this.messages.push(SignalResponse.fromBinary(message.toBinary()).message);
  }

  sendShared(message: SignalResponse): void {
    this.send(message);
  }

  close(): void {
    this.closed = true;
  }

  /** Kinds of all messages so far. */
  get kinds(): (MessageCase | undefined)[] {
    return this.messages.map((message) => message.case);
  }

  all<Case extends MessageCase>(kind: Case): ValueOf<Case>[] {
    return this.messages.flatMap((message) => (message.case === kind ? [message.value as ValueOf<Case>] : []));
  }

  last<Case extends MessageCase>(kind: Case): ValueOf<Case> {
    const value = this.all(kind).at(-1);
    if (value === undefined) throw new Error(`no ${kind} among ${this.kinds.join()}`);
    return value;
  }

  /** Forgets what came so far. */
  clear(): void {
    this.messages.length = 0;
  }
}
