/** For metrics. */
export class RelayFigures {
  /** Sockets here whose rooms are on other nodes. */
  out = 0;
  /** Participants here whose sockets are on other nodes. */
  in = 0;
  /** Relays that ended otherwise than by either side's wish, since the start. */
  broken = 0;
}
