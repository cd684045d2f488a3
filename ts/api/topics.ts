/** Where calls about one participant are answered; livekit-server's form. */
export function participantTopic(room: string, identity: string): string {
  return `${room}_${identity}`;
}
